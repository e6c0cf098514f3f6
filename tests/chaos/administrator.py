"""Who reads what requests say and does it on the node: `pct unlock`, `pct destroy`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from phoenix_producer.contract import Failure
    from tests.support.proxmox import Simulator

NEEDED_FOR = frozenset({"half-made", "being-created", "locked"})
"""Causes of failures after which asking again helps only when somebody has cleared what a Proxmox worker left."""
_DESTROY = re.compile(r"`pct destroy (\d+) --destroy-unreferenced-disks 1`")
_UNLOCK = re.compile(r"`pct unlock (\d+)`")
_LOCKED = re.compile(r"template (\d+) to CT")


@dataclass
class Administrator:
    """Does exactly that, and as every such text asks for, not while a task is at work there."""

    simulator: Simulator
    tell: Callable[[str], None]

    def heed(self, failure: Failure) -> None:
        """Clear what the failure names."""
        assert failure.remedy, failure
        self.simulator.do(self._obey, failure.remedy, failure.message)

    def heed_warning(self, told: str) -> None:
        """Clear what the answer of a request that went well names."""
        self.simulator.do(self._obey, told, told)

    def clear_unmarked(self, ctids: Iterable[int]) -> None:
        """Clear what died at CTIDs of copies before it bore our marker, and was in nobody's way since: nobody told."""
        for ctid in ctids:
            found = self.simulator.pve.ct(ctid)
            if found is not None and "description" not in found.config:
                self.simulator.do(self._destroy, ctid)

    def _obey(self, remedy: str, message: str) -> None:
        for ctid in map(int, _DESTROY.findall(remedy)):
            assert str(ctid) in _UNLOCK.findall(remedy), remedy
            self._destroy(ctid)
        named = _UNLOCK.findall(remedy)
        if "`pct unlock CTID`" in remedy:
            named += _LOCKED.findall(message)
        for ctid in map(int, named):
            self._unlock(ctid)

    def _destroy(self, ctid: int) -> None:
        """Only what is still half-made: others may have been told the same before, and asked again."""
        pve = self.simulator.pve
        found = pve.ct(ctid)
        if found is not None and found.lock == "create" and not self._at_work(ctid):
            self.tell(f"pct unlock {ctid}; pct destroy {ctid}")
            pve._drop(found)

    def _unlock(self, ctid: int) -> None:
        found = self.simulator.pve.ct(ctid)
        if found is not None and found.lock == "disk" and not self._at_work(ctid):
            self.tell(f"pct unlock {ctid}")
            found.lock = None

    def _at_work(self, ctid: int) -> bool:
        return any(one.end is None and ctid in {one.made, int(one.guest)} for one in self.simulator.intervals())
