"""The nodes of a cluster, as the API shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.core.model.cluster import NodeState
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.nodes import refuse_unknown_node
from tests.support.proxmox import NODE, TOKEN_ID

if TYPE_CHECKING:
    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator

GIB = 1 << 30


def figures(name: str, *, maintenance: bool = False) -> NodeState:
    return NodeState(name, maintenance=maintenance, memory=8 * GIB, memory_used=2 * GIB, cpus=4, cpu_load=0.02)


def nodes(door: Proxmox) -> list[NodeState]:
    return [replace(one, storages={}) for one in door.cluster(fresh=True).nodes.values()]


def test_all_is_told_in_one_call(simulator: Simulator, door: Proxmox) -> None:
    shown = {NODE: {"online": True}, "pve2": {"online": True, "maintenance": True}, "pve3": {"online": False}}
    simulator.set(simulator.pve, nodes=shown)
    for ctid in (901, 900):
        simulator.add_template(ctid)
    simulator.do(simulator.pve.add_ct, 103, node=NODE)
    simulator.do(simulator.pve.move, 901, "pve2")
    simulator.do(simulator.pve._pool_join, "prod", 103)
    simulator.do(simulator.pve.refresh_resources)
    view = door.cluster()
    assert simulator.calls() == [("GET", "/cluster/resources")]
    found = nodes(door)
    assert found == [figures(NODE), figures("pve2", maintenance=True), NodeState("pve3", online=False)]
    assert [one.memory_free for one in found] == [6 * GIB, 6 * GIB, None]
    guests = {one.ctid: (one.node, one.is_template, one.pool) for one in view.guests.values()}
    assert guests == {103: (NODE, False, "prod"), 900: (NODE, True, ""), 901: ("pve2", True, "")}


def test_without_audit_state_and_maintenance_still_show(simulator: Simulator, door: Proxmox) -> None:
    simulator.set(simulator.pve, nodes={NODE: {"online": True}, "pve2": {"online": True, "maintenance": True}})
    simulator.do(simulator.pve.acl.__setitem__, TOKEN_ID, [("/vms", {"VM.Audit"})])
    assert nodes(door) == [NodeState(NODE), NodeState("pve2", maintenance=True)]


def test_a_node_that_is_not_there_is_refused_with_the_likely_one() -> None:
    refuse_unknown_node("pve2", ["pve2"], "drain node pve2")
    with pytest.raises(PermanentError, match="Unable to drain node pev2: the cluster has no node 'pev2'") as refused:
        refuse_unknown_node("pev2", ["pve2", "pve1", "store"], "drain node pev2")
    assert refused.value.remedy == "Did you mean 'pve2'? Its nodes are: pve1, pve2, store."
    with pytest.raises(PermanentError) as refused:
        refuse_unknown_node("xyz", ["pve1"], "drain node xyz")
    assert refused.value.remedy == "Its nodes are: pve1."
