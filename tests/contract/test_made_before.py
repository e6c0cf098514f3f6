"""What an earlier run of a task made is found, whatever Redis has forgotten of it, and nothing else is taken for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.actions.recover import find_clone, find_creation
from phoenix_worker.catalog.declaration import Role
from phoenix_worker.core.model.marker import Marker, Stage, write_marker
from phoenix_worker.core.model.ports import CloneOrder, CreateOrder
from tests.support.product import OS_TEMPLATE
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator

CLONE = CloneOrder(NODE, 900, 103, "ct103", "", full=True)
CREATION = CreateOrder(NODE, 103, OS_TEMPLATE, unprivileged=True, config={})


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
