"""Several interfaces through the API door: created, changed while the container runs, and cloned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.catalog.declaration import Declaration, Network, Role
from phoenix_worker.core.differs.diff import creation_config, diff, marker_for
from phoenix_worker.core.model import property_string
from phoenix_worker.core.model.addresses import configured
from phoenix_worker.core.model.marker import Stage, write_marker
from phoenix_worker.core.model.ports import CloneOrder, CreateOrder
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator

OS_TEMPLATE = "local:vztmpl/debian-13-standard_13.1-1_amd64.tar.zst"
LAN = Network("vmbr0", "eth1", ip="10.0.1.5/24", trunks=(3, 20), mtu=1400, rate=12.5, link_down=True)
ROUTER = Declaration(
    103,
    "router",
    Role.CONTAINER,
    NODE,
    os_template=OS_TEMPLATE,
    storage="local-lvm",
    disk_gb=1,
    network=Network("vmbr0", ip="10.0.0.5/24", gw="10.0.0.1", firewall=True),
    more_networks=(LAN, Network("vmbr0", "wan", ip="dhcp", ip6="auto", vlan=7)),
)


def created(simulator: Simulator, door: Proxmox, ctid: int = 103) -> Observation:
    declared = replace(ROUTER, ctid=ctid)
    config = creation_config(declared, marker_for(declared, "c1", Stage.CONFIGURED))
    upid = door.create(CreateOrder(NODE, ctid, OS_TEMPLATE, unprivileged=True, config=config))
    assert simulator.end_of(door, upid).succeeded
    return door.observe(NODE, ctid)


def macs(seen: Observation) -> list[str]:
    return [property_string.parse(seen.config[f"net{number}"])["hwaddr"] for number in range(3)]


def test_a_new_container_has_them_all_and_needs_no_change(simulator: Simulator, door: Proxmox) -> None:
    seen = created(simulator, door)
    assert not diff(ROUTER, seen)
    assert "trunks=3;20" in seen.config["net1"]
    assert len(set(macs(seen))) == 3
    told = [(one.interface, one.address) for one in configured(seen.config)]
    assert told == [("eth0", "10.0.0.5")], "what has no link is reached by nobody"


@pytest.mark.parametrize("running", [False, True])
def test_one_that_is_there_follows_and_keeps_its_macs(simulator: Simulator, door: Proxmox, *, running: bool) -> None:
    before = created(simulator, door)
    if running:
        assert simulator.end_of(door, door.start(NODE, 103)).succeeded
    changed = replace(LAN, ip="10.0.1.6/24", trunks=(4,), mtu=9000, rate=None, link_down=False)
    more = (changed, *ROUTER.more_networks[1:], Network("vmbr0", "eth3"))
    declared = replace(ROUTER, more_networks=more)
    door.configure(NODE, 103, changes=diff(declared, before).put, delete=(), digest=before.digest)
    after = door.observe(NODE, 103, pending=True)
    assert (after.running, after.pending) == (running, ())
    assert not diff(declared, after)
    assert macs(after) == macs(before)
    assert "hwaddr=" in after.config["net3"]


def test_a_clone_gets_macs_of_its_own_and_loses_the_addresses(simulator: Simulator, door: Proxmox) -> None:
    template = created(simulator, door, 900)
    declared = Declaration(104, "clone", Role.CONTAINER, NODE, clone_from=900)
    notes = write_marker(marker_for(declared, "c2", Stage.MADE))
    assert simulator.end_of(door, door.clone(CloneOrder(NODE, 900, 104, "clone", notes, full=True))).succeeded
    clone = door.observe(NODE, 104)
    assert not {*macs(clone)} & {*macs(template)}
    door.configure(NODE, 104, changes=diff(declared, clone).put, delete=(), digest=clone.digest)
    after = door.observe(NODE, 104)
    assert configured(after.config) == ()
    assert macs(after) == macs(clone)
