"""Where a CTID stands, asked of a cluster of several nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.proxmox.sightings import Sightings
from tests.acceptance.scenes import notes
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator

OTHER = "pve2"
RESOURCES = ("GET", "/cluster/resources")


def config_of(node: str) -> tuple[str, str]:
    return ("GET", f"/nodes/{node}/lxc/103/config")


def add(simulator: Simulator, node: str = OTHER, **config: str) -> None:
    simulator.do(simulator.pve.add_ct, 103, node=node, status="running", config={"description": notes(103), **config})


def test_ours_is_seen_on_the_node_where_it_stands_in_two_calls_more(simulator: Simulator, door: Proxmox) -> None:
    add(simulator)
    seen = door.observe(NODE, 103)
    assert (seen.presence, seen.node, seen.running, seen.is_ours) == (Presence.HERE, OTHER, True, True)
    status = ("GET", f"/nodes/{OTHER}/lxc/103/status/current")
    assert simulator.calls() == [config_of(NODE), RESOURCES, config_of(OTHER), status]


def test_nothing_but_the_name_is_told_of_somebody_elses(simulator: Simulator, door: Proxmox) -> None:
    add(simulator, description=notes(104), hostname="theirs")
    simulator.do(simulator.pve.refresh_resources)
    seen = door.observe(NODE, 103)
    assert (seen.presence, seen.node, seen.running) == (Presence.OTHER_NODE, OTHER, False)
    assert seen.config.keys() == {"hostname"}


def test_the_nodes_of_a_range_of_ids_are_told_in_one_call(simulator: Simulator, door: Proxmox) -> None:
    add(simulator)
    simulator.do(simulator.pve.add_vm, 105, "windows", node=NODE)
    simulator.do(simulator.pve.add_ct, 110, node=NODE)
    assert door.standing(range(100, 110)) == {103: OTHER, 105: NODE}
    assert simulator.calls() == [RESOURCES]


@pytest.mark.parametrize("ending", ["/pve1/lxc/103/config", "/cluster/resources", "/pve2/lxc/103/config"])
def test_what_moves_while_it_is_looked_for_is_found(simulator: Simulator, door: Proxmox, ending: str) -> None:
    add(simulator, NODE if "pve1" in ending else OTHER)
    target = OTHER if "pve1" in ending else "pve3"
    pve = simulator.pve
    simulator.do(pve.move_after, 103, target, ending=ending)
    seen = door.observe(NODE, 103)
    assert (seen.presence, seen.node, seen.running) == (Presence.HERE, target, True)


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "theirs"])
def test_what_comes_back_while_it_is_looked_for_elsewhere_is_found(
    simulator: Simulator, door: Proxmox, *, ours: bool
) -> None:
    add(simulator, description=notes(103 if ours else 104))
    simulator.do(simulator.pve.move_after, 103, NODE, ending=config_of(NODE)[1])
    seen = door.observe(NODE, 103)
    assert (seen.presence, seen.node, seen.is_ours) == (Presence.HERE, NODE, ours)


def test_what_the_cluster_keeps_placing_where_it_is_not_is_looked_for_later(
    simulator: Simulator, door: Proxmox
) -> None:
    for node in (OTHER, "pve3"):
        simulator.do(simulator.pve.nodes.setdefault, node, {"online": True})
    rows = iter([OTHER, "pve3", OTHER, "pve3"])
    simulator.set(
        simulator.pve,
        ct_resources=lambda *_: [{"id": "lxc/103", "type": "lxc", "node": next(rows), "vmid": 103}],
    )
    with pytest.raises(TransientError, match="CT 103 is not on the node that Proxmox names") as moving:
        door.observe(NODE, 103)
    assert moving.value.cause == "moved"


def test_an_absent_id_that_was_seen_lately_is_looked_for_anywhere(simulator: Simulator, door: Proxmox) -> None:
    assert door.observe(NODE, 103, elsewhere=False).presence is Presence.ABSENT
    add(simulator)
    assert door.observe(NODE, 103, elsewhere=False).presence is Presence.ABSENT, "nobody knows of it yet"
    assert simulator.calls() == [config_of(NODE), RESOURCES, config_of(NODE)], "the list is read once a minute"
    assert door.observe(OTHER, 103, elsewhere=False).presence is Presence.HERE
    assert door.observe(NODE, 103, elsewhere=False).node == OTHER


def test_the_list_of_the_cluster_is_remembered_for_a_minute() -> None:
    now, lists = [0.0], iter([{1}, {1, 2}])
    sightings = Sightings(clock=lambda: now[0])
    assert not sightings.may_stand(2, lambda: next(lists))
    sightings.saw(3)
    assert sightings.may_stand(3, lambda: next(lists))
    sightings.forget(3)
    assert not sightings.may_stand(3, lambda: next(lists))
    now[0] = 61.0
    assert sightings.may_stand(2, lambda: next(lists))
