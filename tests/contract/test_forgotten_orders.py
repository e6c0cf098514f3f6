"""An order of ours that Proxmox still carries out is found, also when nobody knows any more when it was sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.actions import recover
from phoenix_worker.core.model.ports import CloneOrder, CreateOrder
from phoenix_worker.durable.run import FORGOTTEN
from tests.support.declared import MINIMAL
from tests.support.product import OS_TEMPLATE, add_os_template
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator

    Order = Callable[[Proxmox], str | None]
    Finder = Callable[[Proxmox], dict[str, Any] | None]

LONG, OTHER = 600.0, "pve2"
CT = replace(MINIMAL, ctid=103, node=NODE)
CLONE = CloneOrder(NODE, 900, 104, "ct104", "", full=True)
CREATION = CreateOrder(NODE, 105, OS_TEMPLATE, unprivileged=True, config={"rootfs": "local-lvm:8"})
ALPINE, FETCHED, PULLED = (f"local:vztmpl/{name}" for name in ("alpine.tar.xz", "mine.tar.xz", "app.tar"))
LEFT = "local-dir:107/vm-107-disk-0.raw"
ORDERS: dict[str, tuple[Order, Finder]] = {
    "clone": (
        lambda door: door.clone(CLONE),
        lambda door: recover.find_clone(door, CLONE, "x", FORGOTTEN),
    ),
    "create": (
        lambda door: door.create(CREATION),
        lambda door: recover.find_creation(door, CREATION, "x", FORGOTTEN),
    ),
    "start": (
        lambda door: door.start(NODE, 103),
        lambda door: recover.find_power_task(door, CT, "vzstart", FORGOTTEN),
    ),
    "stop": (
        lambda door: door.stop(NODE, 106),
        lambda door: recover.find_power_task(door, replace(CT, ctid=106), "vzshutdown", FORGOTTEN),
    ),
    "snapshot": (
        lambda door: door.snapshot(NODE, 103, "first"),
        lambda door: recover.find_power_task(door, CT, "vzsnapshot", FORGOTTEN),
    ),
    "delete a snapshot": (
        lambda door: door.delete_snapshot(NODE, 106, "old"),
        lambda door: recover.find_deletion(door, NODE, 106, "old", FORGOTTEN),
    ),
    "grow": (
        lambda door: door.resize(NODE, 103, disk="rootfs", size_gb=16),
        lambda door: recover.find_growth(door, NODE, 103, FORGOTTEN),
    ),
    "migrate": (
        lambda door: door.migrate(NODE, 103, target=OTHER, restart=False),
        lambda door: recover.find_migration(
            door, NODE, 103, OTHER, earlier=recover.migrations(door, NODE, 103), when=FORGOTTEN
        ),
    ),
    "destroy": (
        lambda door: door.destroy(NODE, 103),
        lambda door: recover.find_removal(door, NODE, 103, FORGOTTEN),
    ),
    "free": (
        lambda door: door.free_volume(NODE, LEFT),
        lambda door: recover.find_freeing(door, NODE, 107, LEFT, FORGOTTEN),
    ),
    "download": (
        lambda door: door.download_os_template(NODE, ALPINE),
        lambda door: recover.find_download(door, NODE, ALPINE, FORGOTTEN),
    ),
    "fetch": (
        lambda door: door.fetch_os_template(NODE, FETCHED, url="https://localhost/mine", checksum=None),
        lambda door: recover.find_download(door, NODE, FETCHED, FORGOTTEN),
    ),
    "pull": (
        lambda door: door.pull_image(NODE, PULLED, "localhost/app:1"),
        lambda door: recover.find_download(door, NODE, PULLED, FORGOTTEN),
    ),
}

AT = 1000.0
"""By the clock of Redis, whatever that of the node says."""
POWER: dict[str, Any] = {"node": NODE}
MORE: dict[str, dict[str, Any]] = {
    "start": POWER,
    "stop": POWER,
    "snapshot": POWER,
    "migrate": {"from": NODE, "unsure": True},
}
"""What is known besides of what was found."""


def begin(simulator: Simulator) -> None:
    pve = simulator.pve
    simulator.do(pve.nodes.__setitem__, OTHER, {"online": True})
    simulator.set(
        pve, start_secs=LONG, free_secs=LONG, ct_secs=dict.fromkeys(pve.ct_secs, LONG), appliances=["alpine.tar.xz"]
    )
    add_os_template(simulator)


def stand(simulator: Simulator) -> None:
    """Have what is ordered about stand there untouched; what is under way goes on without it."""
    pve = simulator.pve
    simulator.do(pve.cts.clear)
    simulator.add_template(900)
    for ctid, status in ((103, "stopped"), (106, "running")):
        disk = {"rootfs": f"local-lvm:vm-{ctid}-disk-0,size=8G"}
        simulator.do(pve.add_ct, ctid, node=NODE, status=status, config=disk)
    simulator.set(pve.ct(106), shutdown_secs=LONG / 20, snapshots={"old": {"snaptime": 1}})


@pytest.fixture(autouse=True)
def _by_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recover, "now", lambda: AT)


@pytest.mark.parametrize("ahead", [0, 3600, -86_400])
def test_it_is_found_while_it_runs(simulator: Simulator, door: Proxmox, ahead: int) -> None:
    begin(simulator)
    simulator.set(simulator.pve, clock_ahead=ahead)
    for kind, (order, find) in ORDERS.items():
        stand(simulator)
        assert find(door) is None, kind
        upid = order(door)
        assert upid is not None, kind
        assert find(door) == {"upid": upid, "at": AT} | MORE.get(kind, {}), kind


def test_a_conversion_has_no_upid(simulator: Simulator, door: Proxmox) -> None:
    begin(simulator)
    stand(simulator)
    assert recover.running_conversion(door, NODE, 103) is None
    door.convert_to_template(NODE, 103)
    (begun,) = simulator.intervals("vztemplate")
    assert recover.running_conversion(door, NODE, 103) == {"at": AT, "node": NODE, "upid": begun.upid}
    assert recover.find_conversion(door, CT, FORGOTTEN, earlier=()) is None, "it is looked for before each is sent"
