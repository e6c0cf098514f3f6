"""The nodes of a cluster, as the API shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.nodes import NodeSeen, refuse_unknown_node
from tests.support.proxmox import NODE, TOKEN_ID

if TYPE_CHECKING:
    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator

GIB = 1 << 30


def figures(name: str, *, maintenance: bool = False, templates: tuple[int, ...] = ()) -> NodeSeen:
    room: dict[str, Any] = {"cpus": 4, "cpu_used": 0.02, "memory": 8 * GIB, "memory_used": 2 * GIB}
    return NodeSeen(name, online=True, maintenance=maintenance, templates=templates, **room)


def test_all_is_told_in_one_call(simulator: Simulator, door: Proxmox) -> None:
    nodes = {NODE: {"online": True}, "pve2": {"online": True, "maintenance": True}, "pve3": {"online": False}}
    simulator.set(simulator.pve, nodes=nodes)
    for ctid in (901, 900):
        simulator.add_template(ctid)
    simulator.do(simulator.pve.add_ct, 103, node=NODE)
    simulator.do(simulator.pve.move, 901, "pve2")
    simulator.do(simulator.pve.refresh_resources)
    assert door.nodes() == (
        figures(NODE, templates=(900,)),
        figures("pve2", maintenance=True, templates=(901,)),
        NodeSeen("pve3", online=False),
    )
    assert simulator.calls() == [("GET", "/cluster/resources")]
    assert door.nodes()[0].memory_free == 6 * GIB
    assert door.nodes()[2].memory_free is None


def test_without_audit_state_and_maintenance_still_show(simulator: Simulator, door: Proxmox) -> None:
    simulator.set(simulator.pve, nodes={NODE: {"online": True}, "pve2": {"online": True, "maintenance": True}})
    simulator.do(simulator.pve.acl.__setitem__, TOKEN_ID, [("/vms", {"VM.Audit"})])
    assert door.nodes() == (NodeSeen(NODE, online=True), NodeSeen("pve2", online=True, maintenance=True))


def test_a_node_that_is_not_there_is_refused_with_the_likely_one() -> None:
    refuse_unknown_node("pve2", ["pve2"], "drain node pve2")
    with pytest.raises(PermanentError, match="Unable to drain node pev2: the cluster has no node 'pev2'") as refused:
        refuse_unknown_node("pev2", ["pve2", "pve1", "store"], "drain node pev2")
    assert refused.value.remedy == "Did you mean 'pve2'? Its nodes are: pve1, pve2, store."
    with pytest.raises(PermanentError) as refused:
        refuse_unknown_node("xyz", ["pve1"], "drain node xyz")
    assert refused.value.remedy == "Its nodes are: pve1."
