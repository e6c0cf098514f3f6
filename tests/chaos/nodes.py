"""What happens to nodes: they cease to answer and come back, and an administrator migrates what stands there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.chaos.cluster import DOORS, NODES
from tests.chaos.faults import MAKING, kill_maker
from tests.support.api_doors import ApiDoor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from random import Random

    from phoenix_producer import Failure
    from tests.support.proxmox import Simulator

AT_ONCE = 2
"""Nodes that may be down at the same time: with three of five the cluster would have no quorum."""
HANG_SECONDS = 2.0
"""For which calls hang to a node whose cable is out; 30 on a real one, more than a round has."""
_MIGRATION_SECONDS = (0.0, 0.8)
CAUSES = frozenset({"unreachable", "no-node", "node-offline"})
"""Of failures that a node explains which does not answer."""


@dataclass
class Nodes:
    """The nodes of the simulator. Those that are down do not answer at their own address either, if workers know it."""

    rng: Random
    simulator: Simulator
    tell: Callable[[str], None]
    failures: int = 0
    migrations: int = 0
    dead: set[str] = field(default_factory=set)
    """Those that stay down until all others have been waited for."""
    _down: set[str] = field(default_factory=set)
    _doors: dict[str, ApiDoor] = field(default_factory=dict)

    def open(self) -> str:
        """Have all answer; return the addresses of the API."""
        self.simulator.set(self.simulator.pve, hang_secs=HANG_SECONDS)
        self._doors = {node: ApiDoor(self.simulator, address) for node, address in DOORS.items()}
        for door in self._doors.values():
            door.open()
        return ",".join(door.host for door in self._doors.values())

    def fall(self, names: Sequence[str]) -> None:
        """Have nodes cease to answer, each in some way: its cable is out, its pveproxy away, or its power gone."""
        for name in names:
            if len(self._down) < AT_ONCE and name not in self._down:
                self._down.add(name)
                self.failures += 1
                way = self.rng.choice([self._cut, self._refuse, self._power_off])
                way(name)
                if name in self._doors:
                    self._doors[name].shut()

    def stay_down(self, name: str) -> None:
        """Have one cease to answer, for longer than anybody waits."""
        self.rise(sorted(self._down)[: max(0, len(self._down) - AT_ONCE + 1)])
        self.fall([name])
        self.dead.add(name)

    def notice(self) -> None:
        """Let the cluster know whose cable is out: calls there fail at once from now on."""
        self.simulator.do(self._notice)

    def rise(self, names: Iterable[str] = NODES) -> None:
        """Let nodes answer again, but for those that stay down."""
        for name in sorted(self._down.intersection(names) - self.dead):
            self._down.remove(name)
            self.simulator.do(self._mend, name)
            if name in self._doors:
                self._doors[name].open()
            self.tell(f"{name} answers again")

    def revive(self) -> None:
        """Let those answer again that stayed down."""
        self.dead.clear()
        self.rise()

    def explains(self, failure: Failure) -> bool:
        """Return whether a request may have failed for a node that stays down."""
        return failure.cause in CAUSES and any(name in failure.message for name in self.dead)

    def migrate(self, ctids: Sequence[int]) -> bool:
        """Have an administrator migrate one of these containers, whatever is at work there; False if none can be."""
        standing = [ctid for ctid in ctids if self._may_move(ctid)]
        if not standing:
            return False
        ctid, seconds = self.rng.choice(standing), self.rng.choice(_MIGRATION_SECONDS)
        home = self.simulator.pve.ct(ctid).node
        target = self.rng.choice([name for name in NODES if name not in {*self._down, home}])
        if not self.simulator.do(self._move, ctid, target, seconds):
            return False
        self.migrations += 1
        self.tell(f"CT {ctid} is migrated from {home} to {target}, in {seconds:g} s")
        return True

    def _may_move(self, ctid: int) -> bool:
        found = self.simulator.pve.ct(ctid)
        return found is not None and not found.lock and found.node not in self._down

    async def _move(self, ctid: int, target: str, seconds: float) -> bool:
        pve = self.simulator.pve
        if not self._may_move(ctid):
            return False
        if not seconds:
            return bool(pve.move(ctid, target))
        await pve.migrate(ctid, target, seconds)
        return True

    def _cut(self, name: str) -> None:
        self.tell(f"{name}: its cable is out")
        self.simulator.do(self.simulator.pve.cut, name, noticed=False)

    def _refuse(self, name: str) -> None:
        self.tell(f"{name}: its pveproxy is away")
        self.simulator.do(self.simulator.pve.refusing.add, name)

    def _power_off(self, name: str) -> None:
        self.tell(f"{name}: its power is gone, and with it what was being made there")
        self.simulator.do(self._die, name)

    def _die(self, name: str) -> None:
        pve = self.simulator.pve
        pve.cut(name)
        pve.hanging.discard(name)
        for one in pve.intervals:
            if one.end is None and one.kind in MAKING and pve.tasks[one.upid]["node"] == name:
                kill_maker(pve, one.upid)

    def _notice(self) -> None:
        pve = self.simulator.pve
        for name in list(pve.hanging):
            pve.cut(name, noticed=True)
        pve.let_go()

    def _mend(self, name: str) -> None:
        """What was asked of it while its cable was out is done now, as by a connection that waited."""
        self.simulator.pve.mend(name)
        self.simulator.pve.let_go()
