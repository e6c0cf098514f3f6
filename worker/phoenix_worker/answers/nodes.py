"""The nodes of the cluster: what Proxmox shows of each, and what the ledger has of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.nodes import Node, NodeState
from phoenix_worker.actions.drained import DRAINED, who_and_when
from phoenix_worker.durable.tables import Places, Table, places

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.core.model.cluster import ClusterView
    from phoenix_worker.core.model.cluster import NodeState as Seen

RESERVATIONS = "reservations"
"""The table of the ledger: task → what it has placed where."""
_TOO_MUCH = 1 << 53


def nodes(task: PhoenixTask) -> list[Node]:
    """Look at all nodes, in one call to Proxmox."""
    view, ledger = task.proxmox.cluster(fresh=True), task.engine.ledger
    drained, reserved = Table(ledger, DRAINED).entries(), Table(ledger, RESERVATIONS).entries()
    locks = places(ledger, [f"node/{name}" for name in view.nodes])
    return [
        _node(
            one,
            _templates(view, name),
            drained.get(name),
            [entry for entry in reserved.values() if _is_reservation(entry) and entry["node"] == name],
            locks[f"node/{name}"],
            task.node_capacity,
        )
        for name, one in view.nodes.items()
    ]


def _node(
    seen: Seen,
    templates: tuple[int, ...],
    drained: dict[str, Any] | None,
    reserved: list[dict[str, Any]],
    used: Places,
    capacity: int,
) -> Node:
    by, at = who_and_when(drained or {})
    return Node(
        name=seen.name,
        state=_state(seen, drained=drained is not None),
        drained_by=by,
        drained_at=at,
        cpus=seen.cpus,
        cpu_used=seen.cpu_load,
        memory=seen.memory,
        memory_free=seen.memory_free,
        reserved=tuple(sorted(entry["ctid"] for entry in reserved)),
        reserved_memory=sum(entry["memory"] for entry in reserved),
        reserved_disk=sum(entry["disk"] for entry in reserved),
        in_flight=used.taken,
        places=capacity,
        waiting=used.waiting,
        templates=templates,
    )


def _templates(view: ClusterView, node: str) -> tuple[int, ...]:
    """Name the LXC templates that stand on a node."""
    return tuple(
        sorted(one.ctid for one in view.guests.values() if one.is_template and not one.is_vm and one.node == node)
    )


def _is_reservation(entry: dict[str, Any]) -> bool:
    """Tell one from what others wrote there."""
    return isinstance(entry.get("node"), str) and all(
        type(entry.get(figure)) is int and 0 <= entry[figure] < _TOO_MUCH for figure in ("ctid", "memory", "disk")
    )


def _state(seen: Seen, *, drained: bool) -> NodeState:
    if not seen.online:
        return NodeState.OFFLINE
    if seen.maintenance:
        return NodeState.MAINTENANCE
    return NodeState.DRAINED if drained else NodeState.ONLINE
