"""The tasks that are about nodes.

drain(pve2)     look at the nodes → once: write who drained it
undrain(pve2)   once: take that away
nodes()         the list
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import DRAIN, NODES, UNDRAIN
from phoenix_producer.nodes import Drained, DrainRequest, UndrainRequest
from phoenix_worker.actions.drained import DRAINED, who_and_when
from phoenix_worker.answers import nodes as answer
from phoenix_worker.core.model.nodes import refuse_unknown_node
from phoenix_worker.durable.tables import Table
from phoenix_worker.tasks.registry import task

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask


@task(NODES)
def nodes(self: PhoenixTask) -> list[dict[str, Any]]:
    """Tell of all nodes: state, room, what is under way."""
    return [one.model_dump(mode="json") for one in answer.nodes(self)]


@task(DRAIN, DrainRequest)
def drain(self: PhoenixTask, request: DrainRequest) -> dict[str, Any]:
    """Have a node take no new containers. Who drained it first is kept."""
    node, drained = request.node, Table(self.engine.ledger, DRAINED)
    refuse_unknown_node(node, self.proxmox.cluster(fresh=True).nodes, f"drain node {node}")
    before = self.read("before", lambda: drained.entries().get(node))
    entry = {"by": request.requester or "", "at": self.read("at", lambda: self.running.claimed_at)}
    if before is None:
        self.once("drain", lambda: drained.put(node, entry), adopt=_again)
    return _told(node, entry if before is None else before, changed=before is None)


@task(UNDRAIN, UndrainRequest)
def undrain(self: PhoenixTask, request: UndrainRequest) -> dict[str, Any]:
    """Have a drained node take new containers again; it may have left the cluster meanwhile."""
    node, drained = request.node, Table(self.engine.ledger, DRAINED)
    before = self.read("before", lambda: drained.entries().get(node))
    if before is None:
        refuse_unknown_node(node, self.proxmox.cluster(fresh=True).nodes, f"undrain node {node}")
    else:
        self.once("undrain", lambda: drained.drop(node), adopt=_again)
    return _told(node, None, changed=before is not None)


def _again(_when: float) -> None:
    """Do it again after a death in between: that changes nothing, and what was there before is in the journal."""


def _told(node: str, entry: dict[str, Any] | None, *, changed: bool) -> dict[str, Any]:
    by, at = who_and_when(entry or {})
    return Drained(node=node, drained=entry is not None, changed=changed, by=by, at=at).model_dump(mode="json")
