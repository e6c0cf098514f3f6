"""A disk that a dead Proxmox worker left without a configuration: ours is freed, nobody else's ever is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakepve.shapes import PRIVILEGES

from tests.acceptance.scenes import before, done, failure_of, notes
from tests.acceptance.test_what_stands_there import upid_making
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.proxmox import NODE
from tests.support.pve_corners import BTRFS
from tests.support.strict_pve import TOKEN_ID

if TYPE_CHECKING:
    from tests.support.product import Product

LONG = 600.0
LEFT = "local-btrfs:103/vm-103-disk-0.raw"
PATH = f"{BTRFS['path']}/images/103/vm-103-disk-0"
FREE = f"`pvesm free {LEFT}`"
MADE = [("clone", 103), ("configure", 103), ("start", 103)]


@pytest.fixture
def left(product: Product) -> Product:
    """A clone of ours whose Proxmox worker was killed; an administrator has unlocked the template since."""
    pve, do = product.simulator.pve, product.simulator.do
    do(pve.storages.__setitem__, "local-btrfs", {**BTRFS, "files": set()})
    product.declare({900: template(), 103: container(103, storage_pool="local-btrfs")})
    product.simulator.add_template(900, description=notes(900, "template"))
    pve.ct_secs["clone"] = LONG
    product.start_worker(PHOENIX_PATIENCE="5")
    handle = product.producer.ensure(103)
    do(pve.cut_off, upid_making(product, 103))
    assert failure_of(handle).cause == "locked"
    assert product.status(103) == "absent"
    product.simulator.set(pve.ct(900), lock=None)
    pve.ct_secs["clone"] = 0.05
    return product


def test_the_disk_that_a_dead_worker_of_ours_left_is_freed(left: Product) -> None:
    assert done(left.ensure(103)) == MADE
    assert left.simulator.pve.freed == [LEFT]
    kinds = [one.kind for one in left.simulator.intervals()]
    assert kinds == ["vzclone", "vzclone", "imgdel", "vzclone", "vzstart"]
    product = left
    product.producer.destroy(103).wait(timeout=60)
    product.simulator.do(product.simulator.pve.left_disks.__setitem__, 103, PATH)
    failure = failure_of(product.producer.ensure(103))
    assert (failure.cause, FREE in failure.remedy) == ("left-disk", True), "since then it was made, and well"
    assert product.simulator.pve.freed == [LEFT]


def test_without_the_right_to_free_it_the_command_is_told(left: Product) -> None:
    pve = left.simulator.pve
    grants = [("/", set(PRIVILEGES) - {"Datastore.Allocate"})]
    left.simulator.do(pve.acl.__setitem__, TOKEN_ID, grants)
    failure = failure_of(left.producer.ensure(103))
    assert failure.cause == "left-disk"
    assert FREE in failure.remedy
    assert "Datastore.Allocate" in failure.message
    assert pve.freed == []


def test_a_vm_that_took_the_id_meanwhile_keeps_its_disks(left: Product) -> None:
    pve = left.simulator.pve
    before(left, "GET", "/cluster/nextid", lambda: pve.add_vm(103, name="theirs", node=NODE))
    failure = failure_of(left.producer.ensure(103))
    assert failure.cause == "left-disk"
    assert FREE not in failure.remedy, "who has the id now is asked first"
    assert pve.freed == []


@pytest.mark.parametrize("kind", ["clone", "create"])
def test_a_disk_of_an_id_that_we_never_lost_is_nobody_s_to_free(product: Product, kind: str) -> None:
    pve, do = product.simulator.pve, product.simulator.do
    do(pve.storages.__setitem__, "local-btrfs", {**BTRFS, "files": set()})
    how = {"clone": container(103), "create": container(103, None, template=OS_TEMPLATE)}
    made = how[kind] | {"storage_pool": "local-btrfs"}
    product.declare({900: template(), 103: made, 104: container(104)})
    product.simulator.add_template(900, description=notes(900, "template"))
    do(pve.left_disks.__setitem__, 103, PATH)
    product.start_worker()
    failure = failure_of(product.producer.ensure(103))
    assert (failure.cause, FREE in failure.remedy) == ("left-disk", True)
    assert PATH in failure.message
    assert pve.freed == []
