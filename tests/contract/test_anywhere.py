"""A CTID that is looked for on whichever node, by one look at the cluster that all share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_worker.core.model.cluster import NodeState
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.proxmox.cluster_view import read_view
from tests.acceptance.scenes import notes
from tests.support.proxmox import NODE, TOKEN_ID

if TYPE_CHECKING:
    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator

OTHER = "pve2"
RESOURCES, NEXTID = ("GET", "/cluster/resources"), ("GET", "/cluster/nextid")
GIB = 1 << 30


def add(simulator: Simulator, node: str = OTHER) -> None:
    simulator.do(simulator.pve.add_ct, 103, node=node, status="running", config={"description": notes(103)})


def test_it_is_seen_wherever_it_stands(simulator: Simulator, door: Proxmox) -> None:
    add(simulator)
    seen = door.observe("", 103)
    assert (seen.presence, seen.node, seen.running, seen.is_ours) == (Presence.HERE, OTHER, True, True)
    there = f"/nodes/{OTHER}/lxc/103"
    assert simulator.calls() == [RESOURCES, ("GET", f"{there}/config"), ("GET", f"{there}/status/current")]
    door.observe("", 103)
    assert simulator.calls().count(RESOURCES) == 1, "one look serves all of that second"


def test_that_it_is_nowhere_is_asked_live(simulator: Simulator, door: Proxmox) -> None:
    absent = door.observe("", 103)
    assert (absent.presence, absent.node, simulator.calls()) == (Presence.ABSENT, "", [RESOURCES, NEXTID])
    add(simulator)
    assert door.observe("", 103).node == OTHER, "made since the look that all share"


def test_what_has_moved_since_the_shared_look_is_found(simulator: Simulator, door: Proxmox) -> None:
    add(simulator)
    door.observe("", 103)
    simulator.do(simulator.pve.move, 103, "pve3")
    assert door.observe("", 103).node == "pve3"


def test_what_is_on_a_silent_node_is_not_taken_for_absent(simulator: Simulator, door: Proxmox) -> None:
    """It may run there: it is never made a second time."""
    add(simulator)
    simulator.do(simulator.pve.nodes.__setitem__, NODE, {"online": True})
    simulator.do(simulator.pve.nodes.__setitem__, OTHER, {"online": False})
    with pytest.raises(TransientError):
        door.observe("", 103)


def test_a_vm_has_the_id(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_vm, 103, name="theirs", node=OTHER)
    seen = door.observe("", 103)
    assert (seen.presence, seen.node, seen.config) == (Presence.VM, OTHER, {"hostname": "theirs"})


def test_what_the_token_may_not_see_is_not_taken_for_nothing(simulator: Simulator, door: Proxmox) -> None:
    add(simulator)
    simulator.set(simulator.pve, acl={TOKEN_ID: [("/vms/104", {"VM.Audit"})]})
    with pytest.raises(PermanentError, match="taken by a guest that the API token may not see") as refused:
        door.observe("", 103)
    assert "VM.Audit on /vms/103" in refused.value.remedy


def test_the_view_has_nodes_storages_and_guests(simulator: Simulator, door: Proxmox) -> None:
    pve = simulator.pve
    for node, online in ((NODE, True), (OTHER, False)):
        simulator.do(pve.nodes.__setitem__, node, {"online": online})
    add(simulator, NODE)
    simulator.do(pve.refresh_resources)
    view = door.cluster()
    up, down = view.nodes[NODE], view.nodes[OTHER]
    assert (up.online, up.memory, up.memory_used, up.cpu_load) == (True, 8 * GIB, 2 * GIB, 0.02)
    assert up.storages["local-lvm"] == 100 * GIB
    assert (down.online, down.memory, down.cpu_load) == (False, None, None)
    assert (view.guests[103].node, view.promised[NODE], view.counts) == (NODE, 512 << 20, {NODE: 1, OTHER: 0})


def test_what_a_nodes_cpus_are_is_told_where_proxmox_says_so(simulator: Simulator, door: Proxmox) -> None:
    simulator.set(simulator.pve, foreign=("status", {"current-kernel": {"machine": "aarch64", "sysname": "Linux"}}))
    assert door.machine(NODE) == "aarch64"
    simulator.set(simulator.pve, foreign=("status", {"kversion": "Linux 6.2"}))
    assert door.machine(NODE) == ""


def test_what_lines_lack_is_not_known() -> None:
    view = read_view(
        [
            {"type": "node", "node": "pve1", "status": "online", "hastate": "maintenance"},
            {"type": "storage", "node": "pve1", "storage": "local", "status": "available"},
            {"type": "storage", "node": "pve1", "storage": "gone", "status": "unknown", "maxdisk": 1},
            {"type": "lxc", "node": "pve1", "vmid": 103},
            {"type": "lxc", "node": "pve1", "vmid": 900, "template": 1, "maxmem": GIB},
            {"type": "sdn", "node": "pve1", "sdn": "localnetwork"},
        ]
    )
    assert view.nodes == {"pve1": NodeState("pve1", maintenance=True, storages={"local": None})}
    assert [one.ctid for one in view.without_figures] == [103, 900]
    assert [(one.is_template, one.memory) for one in view.guests.values()] == [(False, 0), (True, 0)]
