"""A disk that a dead Proxmox worker left without a configuration: ours is freed, nobody else's ever is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakepve.shapes import PRIVILEGES

from phoenix_worker.core.model.ports import CreateOrder
from tests.acceptance.scenes import before, done, failure_of, notes
from tests.acceptance.test_what_stands_there import admins, clone_order, upid_making
from tests.support.node_typing import type_on_node
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.proxmox import NODE
from tests.support.pve_corners import BTRFS
from tests.support.strict_pve import TOKEN_ID
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product
    from tests.support.worker import WorkerProcess

LONG = 600.0
LEFT = "local-btrfs:103/vm-103-disk-0.raw"
PATH = f"{BTRFS['path']}/images/103/vm-103-disk-0"
FREE = f"`pvesm free {LEFT}`"
MADE = [("clone", 103), ("configure", 103), ("start", 103)]


@pytest.fixture
def worker(product: Product) -> WorkerProcess:
    return product.start_worker(PHOENIX_PATIENCE="20")


@pytest.fixture
def left(product: Product, worker: WorkerProcess) -> Product:  # noqa: ARG001 - it runs
    """A clone of ours whose Proxmox worker was killed; an administrator has unlocked the template since."""
    pve, do = product.simulator.pve, product.simulator.do
    do(pve.storages.__setitem__, "local-btrfs", {**BTRFS, "files": set()})
    product.declare({900: template(), 103: container(103, storage_pool="local-btrfs")})
    product.simulator.add_template(900, description=notes(900, "template"))
    pve.ct_secs["clone"] = LONG
    handle = product.producer.ensure(103)
    do(pve.cut_off, upid_making(product, 103))
    assert failure_of(handle).cause == "locked"
    assert product.status(103) == "absent"
    product.simulator.set(pve.ct(900), lock=None)
    pve.ct_secs["clone"] = 0.05
    return product


@pytest.mark.long
def test_the_disk_that_a_dead_worker_of_ours_left_is_freed_if_nobody_has_its_id(left: Product) -> None:
    pve, do = left.simulator.pve, left.simulator.do
    do(pve.acl.__setitem__, TOKEN_ID, [("/", set(PRIVILEGES) - {"Datastore.Allocate"})])
    failure = failure_of(left.producer.ensure(103))
    assert (failure.cause, FREE in failure.remedy) == ("left-disk", True)
    assert "Datastore.Allocate" in failure.message
    do(pve.acl.__setitem__, TOKEN_ID, [("/", set(PRIVILEGES))])
    before(left, "GET", "/cluster/nextid", lambda: pve.add_vm(103, name="theirs", node=NODE))
    failure = failure_of(left.producer.ensure(103))
    assert (failure.cause, FREE in failure.remedy) == ("left-disk", False), "who has the id now is asked first"
    assert pve.freed == []
    do(pve.vms.clear)
    begun = len(left.simulator.intervals())
    assert done(left.ensure(103)) == MADE
    assert pve.freed == [LEFT]
    assert [one.kind for one in left.simulator.intervals()[begun:]] == ["vzclone", "imgdel", "vzclone", "vzstart"]
    left.producer.destroy(103).wait(timeout=60)
    do(pve.left_disks.__setitem__, 103, PATH)
    failure = failure_of(left.producer.ensure(103))
    assert (failure.cause, FREE in failure.remedy) == ("left-disk", True), "since then it was made, and well"
    assert pve.freed == [LEFT]
    type_on_node(left.simulator, failure.remedy)
    assert done(left.ensure(103)) == MADE


@pytest.mark.long
@pytest.mark.parametrize("ahead", [0, -3600])
def test_a_disk_of_an_id_that_others_had_since_is_not_freed_whatever_the_clock_of_the_node_says(
    left: Product, ahead: int
) -> None:
    """What they had before we lost ours says nothing."""
    pve = left.simulator.pve
    left.simulator.set(pve, clock_ahead=ahead)
    theirs = CreateOrder(NODE, 103, OS_TEMPLATE, unprivileged=True, config={"rootfs": "local-lvm:8"})
    left.simulator.end_of(admins(left), admins(left).create(theirs))
    failure = failure_of(left.producer.ensure(103))
    assert (failure.cause, "made a guest 103 since" in failure.message) == ("left-disk", True)
    assert pve.freed == []


@pytest.mark.long
def test_what_zfs_has_of_it_is_freed_likewise(left: Product) -> None:
    pve, do = left.simulator.pve, left.simulator.do
    left.declare({900: template(), 103: container(103, storage_pool="local-zfs")})
    do(pve.left_disks.__setitem__, 103, "zfs error: cannot create 'rpool/vm-103-disk-0': dataset already exists")
    assert done(left.ensure(103)) == MADE
    assert pve.freed == ["local-zfs:vm-103-disk-0"]


@pytest.mark.crash
@pytest.mark.long
def test_a_disk_that_a_dead_worker_had_freed_is_not_freed_again_meanwhile(left: Product, worker: WorkerProcess) -> None:
    """It died before it was answered, and Proxmox still frees it."""
    pve, do = left.simulator.pve, left.simulator.do
    left.simulator.set(pve, free_secs=LONG)
    before(left, "DELETE", LEFT, worker.kill)
    handle = left.producer.ensure(103)
    (freeing,) = wait_for(lambda: left.simulator.intervals("imgdel"))
    wait_for(lambda: not worker.running())
    left.start_worker("w2", PHOENIX_PATIENCE="20")
    wait_for(lambda: left.redis.zscore("phoenix:watch", f"upid/{freeing.upid}"))
    do(pve.hurry)
    assert done(handle.wait(timeout=60)) == MADE
    assert pve.freed == [LEFT]


def test_nothing_is_freed_before_it_is_quiet_and_what_is_gone_by_then_is_made(left: Product) -> None:
    """A clone by somebody else runs, which may be of any CTID; then what the dead worker had started cleans up."""
    pve, do = left.simulator.pve, left.simulator.do
    left.simulator.add_template(555)
    pve.ct_secs["clone"] = LONG
    admins(left).clone(clone_order(110, 555, "theirs"))
    handle = left.producer.ensure(103)
    log = f"phoenix:job:{handle.id}:log"
    wait_for(lambda: "A Proxmox task may be at work on it" in str(left.redis.xrange(log)))
    assert pve.freed == []
    pve.task_failures["imgdel"] = ["unable to remove subvolume: No such file or directory"]
    before(left, "DELETE", LEFT, pve.left_disks.clear)
    pve.ct_secs["clone"] = 0.05
    do(pve.hurry)
    assert done(handle.wait(timeout=60)) == MADE


def test_a_disk_of_an_id_that_we_never_lost_is_not_ours_to_free(product: Product) -> None:
    pve, do = product.simulator.pve, product.simulator.do
    do(pve.storages.__setitem__, "local-btrfs", {**BTRFS, "files": set()})
    made = {103: container(103), 105: container(105, None, template=OS_TEMPLATE)}
    product.declare({900: template(), **{ctid: one | {"storage_pool": "local-btrfs"} for ctid, one in made.items()}})
    product.simulator.add_template(900, description=notes(900, "template"))
    product.start_worker()
    for ctid in made:
        do(pve.left_disks.__setitem__, ctid, PATH.replace("103", str(ctid)))
        failure = failure_of(product.producer.ensure(ctid))
        assert (failure.cause, FREE.replace("103", str(ctid)) in failure.remedy) == ("left-disk", True)
    assert pve.freed == []
