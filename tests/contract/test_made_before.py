"""What an earlier run of a task made is found, whatever Redis has forgotten of it, and nothing else is taken for it."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.actions.recover import find_clone, find_creation
from phoenix_worker.catalog.declaration import Role
from phoenix_worker.core.model.marker import Marker, Stage, write_marker
from phoenix_worker.core.model.ports import CloneOrder, CreateOrder
from tests.support.product import OS_TEMPLATE, add_os_template
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator

CLONE = CloneOrder(NODE, 900, 103, "ct103", "", full=True)
CREATION = CreateOrder(NODE, 103, OS_TEMPLATE, unprivileged=True, config={"rootfs": "local-lvm:8"})


@pytest.mark.parametrize(
    ("creation", "is_found"),
    [("8015d8382", True), ("8015d8381", True), ("8015d83810", True), ("8015d8391", False), ("adopted", False)],
)
def test_it_is_known_by_its_task_however_often_that_was_replaced(
    simulator: Simulator, door: Proxmox, creation: str, is_found: bool
) -> None:
    """A task that was replaced by what its template lacks, and then made it, may be run again as before that."""
    line = write_marker(Marker(103, creation, Role.CONTAINER, Stage.MADE, "0" * 16), "")
    simulator.do(simulator.pve.add_ct, 103, node=NODE, config={"description": line})
    for found in (
        find_clone(door, CLONE, "8015d8381", time.time()),
        find_creation(door, CREATION, "8015d8381", time.time()),
    ):
        assert (found is not None and not found["upid"]) is is_found


@pytest.mark.parametrize("ahead", [0, 3600, -3600, -86_400])
@pytest.mark.parametrize("kind", ["vzclone", "vzcreate"])
def test_what_is_being_made_is_followed_whatever_the_clock_of_its_node_says(
    simulator: Simulator, door: Proxmox, kind: str, ahead: int
) -> None:
    """Proxmox has one clone of a template at a time, and one creation of a CTID: what runs is what was asked for."""
    add_os_template(simulator)
    simulator.set(simulator.pve, clock_ahead=ahead, ct_secs=simulator.pve.ct_secs | {"clone": 600.0, "create": 600.0})
    simulator.add_template(900)
    line = write_marker(Marker(103, "8015d8381", Role.CONTAINER, Stage.MADE, "0" * 16), "")
    if kind == "vzclone":
        upid, find = door.clone(replace(CLONE, notes=line)), partial(find_clone, door, CLONE)
    else:
        upid, find = door.create(CREATION), partial(find_creation, door, CREATION)
    when = time.time()
    assert find("8015d8381", when) == {"upid": upid, "at": when}
