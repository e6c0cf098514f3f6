"""One round: sixty jobs over three templates in a chain, and trouble while they run."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from redis import RedisError

from phoenix_producer import EnsureFailed, Producer, Unreachable
from phoenix_producer.client.connection import redis_client
from tests.chaos import clock, faults, verdict
from tests.chaos.administrator import NEEDED_FOR, Administrator
from tests.chaos.crew import Crew
from tests.chaos.recovery import Recovery, Watched
from tests.support.product import Product, add_os_template, container, template
from tests.support.proxmox import NODE, Simulator
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    from phoenix_producer import EnsureResult, Failure, Handle
    from tests.chaos.redis_faults import Store

TEMPLATES = (900, 901, 902)
CONTAINERS = range(101, 161)
FOREIGN = 666
LONGEST_END = 240.0
"""Seconds that the jobs may take once all trouble is over; a machine may be busy."""
_BEAT = 0.05
_STEPS = (-3600.0, -60.0, 60.0, 3600.0)
"""Seconds by which the clock of Redis is set."""
_PATIENCE_FOR_WORK = 1.0
"""Seconds that a kill waits for a moment at which something runs."""


@dataclass
class Numbers:
    """What a round counted."""

    jobs: int = 0
    failed_and_asked_again: int = 0
    worker_kills: int = 0
    redis_kills: int = 0
    redis_lost_writes: int = 0
    clock_steps: int = 0
    requests_lost_with_them: int = 0
    faults: int = 0
    proxmox_worker_deaths: int = 0
    seconds: float = 0.0
    longest_recovery: float = 0.0
    slowest: str = ""
    """What took the longest recovery, and what it waited for."""


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
    handles: list[Handle[EnsureResult]] = field(default_factory=list)
    numbers: Numbers = field(default_factory=Numbers)
    heard: set[str] = field(default_factory=set)
    """The requests whose ends the administrator knows."""
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
            self.redis, self.producer = redis, producer
            self.recovery = Recovery(redis, self.tell)
            foreign = self._prepare()
            try:
                self._make_trouble()
                self._calm_down()
                self._wait_for_all()
                verdict.check(self.simulator, redis, self.ctids, TEMPLATES, foreign)
            finally:
                self.crew.dismiss()
        self.numbers.seconds = time.monotonic() - began
        self.numbers.worker_kills = self.crew.kills
        self.numbers.proxmox_worker_deaths = self.simulator.pve.died
        self.numbers.longest_recovery, self.numbers.slowest = self.recovery.longest, self.recovery.slowest
        return self.numbers

    @property
    def ctids(self) -> list[int]:
        """The containers of this round."""
        return list(CONTAINERS)[: self.jobs]

    def _prepare(self) -> Any:
        simulator, pve = self.simulator, self.simulator.pve
        faults.make_answers_losable(simulator)
        faults.make_workers_mortal(simulator)
        self.administrator = Administrator(simulator, self.tell)
        simulator.set(pve, ct_secs={**pve.ct_secs, "create": 1.0, "clone": 0.4, "template": 0.1}, start_secs=0.1)
        add_os_template(simulator)
        theirs = {"hostname": "theirs", "rootfs": f"local-lvm:vm-{FOREIGN}-disk-0,size=8G"}
        simulator.do(pve.add_ct, FOREIGN, node=NODE, status="running", config=theirs)
        entries = {900: template(), 901: container(901, 900), 902: container(902, 901)}
        entries |= {ctid: container(ctid, self.rng.choice(TEMPLATES)) for ctid in self.ctids}
        for below in TEMPLATES:  # nobody may have drawn one of them
            entries[self.ctids[below - TEMPLATES[0]]] |= {"clone_from_ctid": str(below)}
        catalog = self.directory / "catalog.json"
        catalog.write_text(json.dumps({"lxc_configs": {str(ctid): entry for ctid, entry in entries.items()}}))
        product = Product(simulator, self.store.url, self.redis, catalog, self.producer, None)  # type: ignore[arg-type]
        environ = product.environ(PHOENIX_PATIENCE="60", PHOENIX_HEARTBEAT_TTL=str(self.ttl))
        self.crew = Crew(self.rng, self.pool, self.directory, environ, self.tell)
        return verdict.foreigners(simulator, entries)

    def _plan(self) -> list[tuple[float, Callable[[], None]]]:
        """What happens when, in seconds from the begin."""
        rng, end = self.rng, self.seconds
        happens: list[tuple[float, Callable[[], None]]] = [
            (rng.uniform(0, end * 0.7), partial(self._ask, ctid)) for ctid in self.ctids
        ]
        happens += [(rng.uniform(0, end * 0.8), self._kill_a_worker) for _ in range(max(3, int(end / 4)))]
        happens += [(rng.uniform(0, end), self._spoil) for _ in range(max(4, int(end / 2)))]
        happens += [(rng.uniform(0, end), self._behave) for _ in range(max(2, int(end / 4)))]
        happens += [(end * rng.uniform(low, low + 0.25), self._kill_redis) for low in (0.2, 0.6)]
        happens += [(end * rng.uniform(low, low + 0.2), self._lose_writes) for low in (0.4, 0.8)]
        happens += [(rng.uniform(0, end), self._step_clock) for _ in range(3)]
        return sorted(happens, key=lambda one: one[0])

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
        self._reach(self._help)

    def _reach(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except (RedisError, Unreachable) as error:
            self.tell(f"the driver itself does not reach Redis: {error}")
            return False
        return True

    def _ask(self, ctid: int, request_id: str | None = None) -> None:
        request_id = request_id or str(UUID(int=self.rng.getrandbits(128), version=4))
        while True:
            try:
                self.handles.append(self.producer.ensure(ctid, request_id=request_id))
            except Unreachable as error:
                self.tell(f"asks again for {ctid}: {error}")
            else:
                self.numbers.jobs += 1
                return

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
        self._ask_what_was_lost()
        self.recovery.begin(work, worker=False)

    def _step_clock(self) -> None:
        self._ahead += self.rng.choice(_STEPS)
        self._set_clock()
        self.numbers.clock_steps += 1
        self.tell(f"the clock of Redis is {self._ahead:+g} s off")

    def _set_clock(self) -> None:
        wait_for(lambda: self._reach(lambda: self.redis.set(clock.KEY, self._ahead)))

    def _ask_what_was_lost(self) -> None:
        """As who had no answer does: under the same id, which costs nothing where it is known."""
        for handle in self.handles:
            if not self.redis.exists(f"phoenix:job:{handle.id}"):
                self.numbers.requests_lost_with_them += 1
                self.tell(f"asks again what Redis has lost: {handle.ctid}")
                self.producer.ensure(handle.ctid or 0, request_id=handle.id)

    def _spoil(self) -> None:
        fault = self.rng.choice(faults.FAULTS)
        self.simulator.do(fault.begin, self.simulator.pve, self.rng)
        self.numbers.faults += 1
        self.tell(f"Proxmox: {fault.name}")

    def _behave(self) -> None:
        self.simulator.do(faults.end_faults, self.simulator.pve)
        self.tell("Proxmox behaves")

    def _calm_down(self) -> None:
        self._behave()
        self.crew.relieve()

    def _help(self) -> None:
        """Let the administrator clear what stands in the way of requests that have failed, and repeat them."""
        for handle in [one for one in self.handles if one.id not in self.heard and one.done()]:
            self.heard.add(handle.id)
            failure = self._failure(handle)
            if failure is not None and failure.cause in NEEDED_FOR:
                self.administrator.heed(failure)
                self._ask_again(failure)

    def _failure(self, handle: Handle[EnsureResult]) -> Failure | None:
        try:
            handle.wait(timeout=10)
        except EnsureFailed as error:
            return error.failure
        return None

    def _ask_again(self, failure: Failure) -> None:
        """Not by the seed, since nobody knows what fails."""
        self.tell(f"failed, and is asked again: {failure.cause}: {failure.message}")
        self.numbers.failed_and_asked_again += 1
        self._ask(failure.ctid or 0, str(uuid4()))

    def _wait_for_all(self) -> None:
        deadline, asked_in_trouble = time.monotonic() + LONGEST_END, len(self.handles)
        for number, handle in enumerate(self.handles):  # which grows
            while not handle.done() or handle.id not in self.heard:
                self._breathe()
                assert time.monotonic() < deadline, f"{handle} has no result; {self._open()}"
            failure = self._failure(handle)
            if failure is not None:
                allowed = faults.CAUSES if number < asked_in_trouble else NEEDED_FOR
                assert failure.cause in allowed, failure
                if failure.cause not in NEEDED_FOR:
                    self._ask_again(failure)

    def _open(self) -> dict[str, Any]:
        """What has not ended, and why: for whoever reads the report."""
        keys = [str(key) for key in self.redis.scan_iter("phoenix:t:*")]
        records = {key: self.redis.hgetall(key) for key in keys}
        told = ("name", "subject", "state", "on", "run", "idle", "tries", "queue", "holds")
        return {
            key: {name: record.get(name) for name in told}
            for key, record in records.items()
            if record.get("state") != "done"
        }
