"""One look at the whole cluster for all threads of a worker, at most once a second."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model.cluster import GuestPlace, NodeState, view_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from phoenix_worker.core.model.cluster import ClusterView

_HOLDS_S = 1.0


class SharedView:
    """Remembers the last look. Who comes while one is under way waits for it and shares it."""

    def __init__(self, look: Callable[[], ClusterView], clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._clock = clock
        self._lock = threading.Lock()
        self._view: ClusterView | None = None
        self._began = float("-inf")

    def get(self, *, fresh: bool = False) -> ClusterView:
        """Return what was seen within the last second; when `fresh`, what was asked for after this call."""
        asked = self._clock()
        with self._lock:
            oldest = asked if fresh else self._clock() - _HOLDS_S
            if self._view is None or self._began < oldest:
                began = self._clock()
                self._view = self._look()
                self._began = began
            return self._view


def read_view(rows: Iterable[dict[str, Any]]) -> ClusterView:
    """Read the lines of `GET /cluster/resources`. What they lack is not known."""
    nodes: dict[str, dict[str, Any]] = {}
    storages: dict[str, dict[str, int | None]] = {}
    guests: dict[int, GuestPlace] = {}
    for row in rows:
        kind, node = row.get("type"), str(row.get("node") or "")
        if kind == "node":
            nodes[node] = row
        elif kind == "storage" and row.get("status") == "available":
            storages.setdefault(node, {})[str(row["storage"])] = _free(row)
        elif kind in {"lxc", "qemu"}:
            ctid, name = int(row["vmid"]), str(row.get("name") or "")
            used, sealed = int(row.get("mem") or 0), bool(row.get("template"))
            most = 0 if sealed else int(row.get("maxmem") or 0)
            guests[ctid] = GuestPlace(ctid, node, kind == "qemu", name, most, used, sealed)
    return view_of({name: _node(name, row, storages.get(name, {})) for name, row in sorted(nodes.items())}, guests)


def _node(name: str, row: dict[str, Any], storages: dict[str, int | None]) -> NodeState:
    return NodeState(
        name,
        online=row.get("status") == "online",
        maintenance=row.get("hastate") == "maintenance",
        memory=int(row["maxmem"]) if row.get("maxmem") else None,
        memory_used=int(row.get("mem") or 0),
        cpu_load=float(row["cpu"]) if row.get("maxcpu") and row.get("cpu") is not None else None,
        storages=storages,
    )


def _free(row: dict[str, Any]) -> int | None:
    """Return what is free, by figures that overstate it a little; the exact ones would take a call for each node."""
    return max(int(row["maxdisk"]) - int(row.get("disk") or 0), 0) if row.get("maxdisk") else None
