"""The part of the API that looks at the whole cluster: one read of `GET /cluster/resources` tells all that is asked.

With its nodes, their storages and every guest in one answer, whoever asks for any of them serves all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model.cluster import GuestPlace, NodeState, view_of
from phoenix_worker.proxmox.shared_reads import SharedReads
from phoenix_worker.proxmox.translate import Request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phoenix_worker.core.model.cluster import ClusterView
    from phoenix_worker.proxmox.connection import Connection

_CLUSTER = "cluster"
_HOLDS_S = 1.0
_RESOURCES = Request("GET", "cluster/resources", "look at the cluster", "VM.Audit on /vms, Sys.Audit on /nodes")


class ClusterLooks:
    """Base of the API."""

    _connection: Connection

    def __init__(self) -> None:
        self._shared = SharedReads()

    def cluster(self, *, fresh: bool = False) -> ClusterView:
        """Look at the whole cluster by one `GET /cluster/resources`, which all share that ask within a second.

        When `fresh`, what is told was read after this call. Which nodes are online is 6.5 s late of one that died;
        name, status, lock and template flag of a guest lag by up to ten seconds; its place is known at once.
        """
        return self._shared.get(_CLUSTER, self._look_at_cluster, within=0.0 if fresh else _HOLDS_S)

    def standing(self, ctids: range) -> dict[int, str]:
        """Ask `/cluster/resources`, which knows the place of an id at once."""
        return {ctid: guest.node for ctid, guest in self.cluster(fresh=True).guests.items() if ctid in ctids}

    def _live(self) -> ClusterView:
        """Look at it now; for answers that are only shown, whoever looked since they were asked for serves them."""
        return self._shared.get(_CLUSTER, self._look_at_cluster)

    def _look_at_cluster(self) -> ClusterView:
        view = read_view(self._connection.rows(_RESOURCES))
        if not view.nodes:  # they are shown to every token: without them nothing is said of any guest
            raise LookupError("cluster/resources names no node")
        return view


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
            ctid, name, pool = int(row["vmid"]), str(row.get("name") or ""), str(row.get("pool") or "")
            used, sealed = int(row.get("mem") or 0), bool(int(row.get("template") or 0))
            most = 0 if sealed else int(row.get("maxmem") or 0)
            in_ha = bool(row.get("hastate"))
            guests[ctid] = GuestPlace(ctid, node, kind == "qemu", name, most, used, sealed, pool, in_ha)
    return view_of({name: _node(name, row, storages.get(name, {})) for name, row in sorted(nodes.items())}, guests)


def _node(name: str, row: dict[str, Any], storages: dict[str, int | None]) -> NodeState:
    return NodeState(
        name,
        online=row.get("status") == "online",
        maintenance=row.get("hastate") == "maintenance",
        memory=int(row["maxmem"]) if row.get("maxmem") else None,
        memory_used=int(row.get("mem") or 0),
        cpus=int(row["maxcpu"]) if row.get("maxcpu") else None,
        cpu_load=float(row["cpu"]) if row.get("maxcpu") and row.get("cpu") is not None else None,
        storages=storages,
    )


def _free(row: dict[str, Any]) -> int | None:
    """Return what is free, by figures that overstate it a little; the exact ones would take a call for each node."""
    return max(int(row["maxdisk"]) - int(row.get("disk") or 0), 0) if row.get("maxdisk") else None
