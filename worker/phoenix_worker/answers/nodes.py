"""The nodes of the cluster: what Proxmox shows of each, and what the ledger has of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.nodes import Node, NodeState
from phoenix_worker.actions.drained import DRAINED, who_and_when
from phoenix_worker.durable.tables import Places, Table, places

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.core.model.nodes import NodeSeen

RESERVATIONS = "reservations"
"""The table of the ledger: task → what it has placed where."""
_TOO_MUCH = 1 << 53


def nodes(task: PhoenixTask) -> list[Node]:
    """Look at all nodes, in one call to Proxmox."""
    seen, ledger = task.proxmox.nodes(), task.engine.ledger
    drained, reserved = Table(ledger, DRAINED).entries(), Table(ledger, RESERVATIONS).entries()
    locks = places(ledger, [f"node/{one.name}" for one in seen])
    return [
        _node(
            one,
            drained.get(one.name),
            [entry for entry in reserved.values() if _is_reservation(entry) and entry["node"] == one.name],
            locks[f"node/{one.name}"],
            task.node_capacity,
        )
        for one in seen
    ]


def _node(
    seen: NodeSeen, drained: dict[str, Any] | None, reserved: list[dict[str, Any]], used: Places, capacity: int
) -> Node:
    by, at = who_and_when(drained or {})
    return Node(
        name=seen.name,
        state=_state(seen, drained=drained is not None),
        drained_by=by,
        drained_at=at,
        cpus=seen.cpus,
        cpu_used=seen.cpu_used,
        memory=seen.memory,
        memory_free=seen.memory_free,
        reserved=tuple(sorted(entry["ctid"] for entry in reserved)),
        reserved_memory=sum(entry["memory"] for entry in reserved),
        reserved_disk=sum(entry["disk"] for entry in reserved),
        in_flight=used.taken,
        places=capacity,
        waiting=used.waiting,
        templates=seen.templates,
    )


def _is_reservation(entry: dict[str, Any]) -> bool:
    """Tell one from what others wrote there."""
    return isinstance(entry.get("node"), str) and all(
        type(entry.get(figure)) is int and 0 <= entry[figure] < _TOO_MUCH for figure in ("ctid", "memory", "disk")
    )


def _state(seen: NodeSeen, *, drained: bool) -> NodeState:
    if not seen.online:
        return NodeState.OFFLINE
    if seen.maintenance:
        return NodeState.MAINTENANCE
    return NodeState.DRAINED if drained else NodeState.ONLINE
