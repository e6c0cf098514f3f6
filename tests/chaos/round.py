"""One round: sixty jobs on a cluster of five nodes, over templates and their copies, and trouble while they run."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from redis import RedisError

from phoenix_producer import Producer, Unreachable
from phoenix_producer.client.connection import redis_client
from tests.chaos import clock, cluster, faults, verdict
from tests.chaos.administrator import Administrator
from tests.chaos.crew import Crew
from tests.chaos.nodes import CAUSES, Nodes
from tests.chaos.numbers import Numbers
from tests.chaos.recovery import Recovery, Watched
from tests.chaos.requests import Requests
from tests.support.product import Product, add_os_template
from tests.support.proxmox import NODE, Simulator
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    from phoenix_producer import Failure
    from tests.chaos.redis_faults import Store

    Happening = tuple[float, Callable[[], None]]

CONTAINERS = range(101, 161)
FOREIGN = 666
FAILING, MOVING = "failing", "moving"
TROUBLES = {"steady": frozenset[str](), FAILING: {FAILING}, MOVING: {MOVING}, "both": {FAILING, MOVING}}
"""What happens to nodes, by the words of `--nodes`."""
_BEAT = 0.05
_STEPS = (-3600.0, -60.0, 60.0, 3600.0)
"""Seconds by which the clock of Redis is set."""
_PATIENCE_FOR_WORK = 1.0
"""Seconds that a kill waits for a moment at which something runs."""
_PATIENCE = (10.0, 30.0)
"""Least and most seconds of the workers' patience; half of a round's where that lies between."""
_UNNOTICED = 1.5
"""Seconds until the cluster notices that a node is away; 6.5 on a real one."""
_AWAY = (2.0, 12.0)
"""Seconds for which a node is down; one stays down beyond the workers' patience."""
_MOVES_A_BEAT = 0.2
_LAST_MOVES = 5
"""Migrations after the trouble, when there is most to migrate."""


@dataclass
class Round:
    """Everything that one round needs. `tell` hears a line per event."""

    rng: Random
    seconds: float
    pool: str
    directory: Path
    simulator: Simulator
    store: Store
    tell: Callable[[str], None]
    jobs: int = len(CONTAINERS)
    ttl: float = 1.0
    """Of the workers' heartbeats; the quicker, the more happens in a round."""
    nodes: str = "both"
    """What happens to nodes: see TROUBLES."""
    numbers: Numbers = field(default_factory=Numbers)
    _moves: int = 0
    """Migrations that are still to come while the last jobs are waited for."""
    _ahead: float = 0.0
    """Seconds by which the clock of Redis was set in all."""

    def run(self) -> Numbers:
        """Prepare, make trouble, wait, check."""
        began = time.monotonic()
        with (
            clock.settable_for_producers(),
            redis_client(self.store.url) as redis,
            Producer(self.store.url, requester="chaos") as producer,
        ):
            self.redis = redis
            administrator = Administrator(self.simulator, self.tell)
            self.requests = Requests(producer, redis, administrator, self.numbers, self.tell, self._breathe)
            foreign = self._prepare(producer)
            self.recovery = Recovery(redis, self.tell, self.crew.is_ready)
            try:
                self._make_trouble()
                self._calm_down()
                self._wait_for_all()
                self._call_the_roll()
                administrator.clear_unmarked(cluster.COPIES)
                copies = verdict.check(self.simulator, redis, self.everything, cluster.TEMPLATES, foreign)
            finally:
                self.crew.dismiss()
        self.numbers.seconds = time.monotonic() - began
        self.numbers.worker_kills = self.crew.kills
        self.numbers.proxmox_worker_deaths = self.simulator.pve.died
        self.numbers.node_failures, self.numbers.migrations = self.cluster.failures, self.cluster.migrations
        self.numbers.copies = copies
        self.numbers.longest_recovery, self.numbers.slowest = self.recovery.longest, self.recovery.slowest
        return self.numbers

    @property
    def ctids(self) -> list[int]:
        """The containers of this round."""
        return list(CONTAINERS)[: self.jobs]

    @property
    def everything(self) -> list[int]:
        """Its templates too, each of which is asked for once."""
        return [*cluster.TEMPLATES, *self.ctids]

    def _prepare(self, producer: Producer) -> Any:
        simulator, pve = self.simulator, self.simulator.pve
        faults.make_answers_losable(simulator)
        faults.make_workers_mortal(simulator)
        simulator.set(pve, ct_secs={**pve.ct_secs, "create": 1.0, "clone": 0.4, "template": 0.1}, start_secs=0.1)
        add_os_template(simulator)
        cluster.stand_up(simulator)
        theirs = {"hostname": "theirs", "rootfs": f"local-lvm:vm-{FOREIGN}-disk-0,size=8G"}
        simulator.do(pve.add_ct, FOREIGN, node=NODE, status="running", config=theirs)
        entries = cluster.declared(self.rng, self.ctids)
        catalog = self.directory / "catalog.json"
        catalog.write_text(json.dumps({"lxc_configs": {str(ctid): entry for ctid, entry in entries.items()}}))
        product = Product(simulator, self.store.url, self.redis, catalog, producer, None)  # type: ignore[arg-type]
        self.cluster = Nodes(self.rng, simulator, self.tell)
        environ = product.environ(
            PHOENIX_PROXMOX_HOST=self.cluster.open(),
            PHOENIX_PATIENCE=str(min(max(self.seconds / 2, _PATIENCE[0]), _PATIENCE[1])),
            PHOENIX_HEARTBEAT_TTL=str(self.ttl),
            PHOENIX_COPY_CTIDS=f"{cluster.COPIES[0]}-{cluster.COPIES[-1]}",
        )
        self.crew = Crew(self.rng, self.pool, self.directory, environ, self.tell)
        return verdict.foreigners(simulator, entries)

    def _plan(self) -> list[Happening]:
        """What happens when, in seconds from the begin."""
        rng, end = self.rng, self.seconds
        happens: list[Happening] = [(rng.uniform(0, end * 0.7), partial(self._ask, ctid)) for ctid in self.everything]
        happens += [(rng.uniform(0, end * 0.8), self._kill_a_worker) for _ in range(max(3, int(end / 4)))]
        happens += [(rng.uniform(0, end), self._spoil) for _ in range(max(4, int(end / 2)))]
        happens += [(rng.uniform(0, end), self._behave) for _ in range(max(2, int(end / 4)))]
        happens += [(end * rng.uniform(low, low + 0.25), self._kill_redis) for low in (0.2, 0.6)]
        happens += [(end * rng.uniform(low, low + 0.2), self._lose_writes) for low in (0.4, 0.8)]
        happens += [(rng.uniform(0, end), self._step_clock) for _ in range(3)]
        if FAILING in TROUBLES[self.nodes]:
            happens += self._failures_of_nodes()
        if MOVING in TROUBLES[self.nodes]:
            happens += [(rng.uniform(end * 0.2, end), self._move_one) for _ in range(int(end / 3))]
        return sorted(happens, key=lambda one: one[0])

    def _failures_of_nodes(self) -> list[Happening]:
        """One node or two at a time, some of which are the API's own; the last one stays down."""
        rng, end, nodes = self.rng, self.seconds, self.cluster
        happens: list[Happening] = []
        for turn in range(max(3, int(end / 8))):
            names = [rng.choice(list(cluster.DOORS))] if turn == 0 else rng.sample(cluster.NODES, rng.randint(1, 2))
            at = rng.uniform(0.1, 0.7) * end
            happens += [(at, partial(nodes.fall, names)), (at + _UNNOTICED, nodes.notice)]
            happens += [(at + rng.uniform(*_AWAY), partial(nodes.rise, names))]
        self.last_down = rng.choice(cluster.NODES)
        return [*happens, (end * rng.uniform(0.75, 0.9), partial(nodes.stay_down, self.last_down))]

    def _make_trouble(self) -> None:
        plan = self._plan()
        self.crew.fill(doomed=False)
        self.crew.wait_until_ready()
        began = time.monotonic()
        for at, act in plan:
            while time.monotonic() - began < at:
                self._breathe()
            act()

    def _breathe(self) -> None:
        time.sleep(_BEAT)
        self.crew.fill()
        self.store.look()
        self._reach(self.recovery.look)
        self._reach(self.requests.help)
        if self._moves and self.rng.random() < _MOVES_A_BEAT:
            self._move_one()

    def _reach(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except (RedisError, Unreachable) as error:
            self.tell(f"the driver itself does not reach Redis: {error}")
            return False
        return True

    def _ask(self, ctid: int) -> None:
        self.requests.ask(ctid, str(UUID(int=self.rng.getrandbits(128), version=4)))

    def _kill_a_worker(self) -> None:
        work = self._work()
        self.crew.kill_one()
        self.recovery.begin(work, worker=True)

    def _work(self) -> dict[str, Watched]:
        """What is under way, once something is, or after a while."""
        deadline = time.monotonic() + _PATIENCE_FOR_WORK
        while not (work := self.recovery.under_way()) and time.monotonic() < deadline:
            self._breathe()
        return work

    def _kill_redis(self) -> None:
        self._hit_redis(self.store.kill)
        self.numbers.redis_kills += 1

    def _lose_writes(self) -> None:
        self._hit_redis(self.store.lose_writes)
        self.numbers.redis_lost_writes += 1

    def _hit_redis(self, hit: Callable[[Random], str]) -> None:
        work = self._work()
        self.tell(f"{hit(self.rng)}, while {len(work)} tasks were under way")
        self._set_clock()
        self.requests.ask_what_was_lost()
        self.recovery.begin(work, worker=False)

    def _step_clock(self) -> None:
        self._ahead += self.rng.choice(_STEPS)
        self._set_clock()
        self.numbers.clock_steps += 1
        self.tell(f"the clock of Redis is {self._ahead:+g} s off")

    def _set_clock(self) -> None:
        wait_for(lambda: self._reach(lambda: self.redis.set(clock.KEY, self._ahead)))

    def _spoil(self) -> None:
        fault = self.rng.choice(faults.FAULTS)
        self.simulator.do(fault.begin, self.simulator.pve, self.rng)
        self.numbers.faults += 1
        self.tell(f"Proxmox: {fault.name}")

    def _behave(self) -> None:
        self.simulator.do(faults.end_faults, self.simulator.pve)
        self.tell("Proxmox behaves")

    def _move_one(self) -> None:
        self._moves = max(0, self._moves - self.cluster.migrate(self.ctids))

    def _calm_down(self) -> None:
        """All but the node that stays down, and the administrator who migrates."""
        self._behave()
        self.cluster.notice()
        self.cluster.rise()
        self.crew.relieve()
        self._moves = _LAST_MOVES if MOVING in TROUBLES[self.nodes] else 0

    def _wait_for_all(self) -> None:
        """Nobody waits for ever for the node that is down; what failed for it is asked for again when it is back."""
        in_trouble, hear = self.requests.ended(), self.requests.hear
        asked = len(self.requests.handles)

        def is_explained(failure: Failure) -> bool:
            if failure.request_id in in_trouble or failure.cause not in CAUSES:
                return failure.cause in faults.CAUSES | CAUSES
            return self.cluster.explains(failure)

        failed = [*hear(is_explained, until=asked), *hear(self.cluster.explains, since=asked)]
        self.numbers.failed_while_a_node_was_down = sum(map(self.cluster.explains, failed))
        self.cluster.revive()
        asked = len(self.requests.handles)
        for failure in failed:
            self.requests.ask_again(failure)
        hear(lambda _: False, since=asked)

    def _call_the_roll(self) -> None:
        """Whatever happened, all stand as declared, and are known where they stand."""
        for result in self.requests.call_the_roll(self.everything):
            stands = self.simulator.pve.ct(result.ctid).node
            # By a clock that was set back, another may have made it since it was asked for: then that is told.
            assert result.outcome == "unchanged" or result.made_by, result
            assert (result.steps, result.changes, result.node) == ((), (), stands), result
