"""What dead Proxmox workers left is cleared by those who have the door: locks, the half-made container, its disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_worker.proxmox.api import ProxmoxApi
from tests.acceptance.scenes import done, failure_of, in_line, notes, stand
from tests.acceptance.test_what_stands_there import admins, clone_order, upid_making
from tests.support.node_typing import type_on_node
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.proxmox import NODE
from tests.support.root_node import RootNode
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.product import Product

LONG = 600.0
MADE = [("clone", 103), ("configure", 103), ("start", 103)]


@pytest.fixture
def node(product: Product, tmp_path: Path) -> Iterator[RootNode]:
    with RootNode(tmp_path / "node", product.simulator) as node:
        yield node


def unlocked(node: RootNode) -> list[int]:
    return [int(line.split()[-1]) for line in node.commands if line.startswith("pct unlock")]


def test_what_a_dead_proxmox_worker_left_is_removed_and_made_anew(product: Product, node: RootNode) -> None:
    """103's died before it was asked for, 104's while it was waited for; a creation's carries no marker yet."""
    product.declare({
        900: template(), 901: template(901), 103: container(103), 104: container(104, 901),
        105: container(105, None, template=OS_TEMPLATE),
    })  # fmt: skip
    for ctid in (900, 901):
        product.simulator.add_template(ctid, description=notes(ctid, "template"))
    pve, do = product.simulator.pve, product.simulator.do
    pve.ct_secs |= {"clone": LONG, "create": LONG}
    do(pve.kill_worker, ProxmoxApi(product.simulator.access).clone(clone_order(103, 900, notes(103, stage="made"))))
    product.start_worker(**node.environ())
    handle = product.producer.ensure(104)
    do(pve.kill_worker, upid_making(product, 104))
    others = [product.producer.ensure(ctid) for ctid in (103, 105)]
    do(pve.kill_worker, upid_making(product, 105))
    pve.ct_secs["clone"] = 0.05
    assert done(others[0].wait(timeout=60)) == MADE
    wait_for(lambda: do(pve.hurry) or handle.done())
    assert done(handle.wait(timeout=60)) == [("clone", 104), ("configure", 104), ("start", 104)]
    assert sorted(unlocked(node)) == [103, 104, 900, 901]
    assert [one.get("destroy-unreferenced-disks") for one in pve.destroyed] == [1, 1]
    failure = failure_of(others[1])
    assert (failure.cause, "`pct unlock 105`" in failure.remedy) == ("half-made", True), "nothing proves it ours"
    assert "`umount /var/lib/lxc/105/rootfs`" in failure.remedy
    assert product.config(105)["lock"] == "create"


def test_no_lock_is_taken_off_that_may_be_in_use_or_is_not_ours(product: Product, node: RootNode) -> None:
    """The template's lock: of a clone by somebody else that runs, of one of his that died, on a template of his."""
    product.declare({900: template(), 901: template(901), 103: container(103), 104: container(104, 901)})
    product.simulator.add_template(900, description=notes(900, "template"))
    product.simulator.add_template(901)
    pve, do = product.simulator.pve, product.simulator.do
    pve.ct_secs["clone"] = LONG
    upid = admins(product).clone(clone_order(110, 900, "theirs"))
    do(pve.kill_worker, ProxmoxApi(product.simulator.access).clone(clone_order(111, 901, notes(111))))
    product.start_worker(PHOENIX_PATIENCE="1", **node.environ())
    assert failure_of(product.producer.ensure(103)).cause == "locked"
    do(pve.kill_worker, upid)
    handles = [product.producer.ensure(ctid) for ctid in (103, 104)]
    assert [failure_of(handle).cause for handle in handles] == ["locked", "locked"]
    assert (unlocked(node), pve.destroyed) == ([], [])


def test_without_the_door_all_who_wait_for_a_template_with_a_dead_lock_are_told_at_once(product: Product) -> None:
    waiting = (104, 105)
    product.declare({900: template(), 103: container(103), **{ctid: container(ctid) for ctid in waiting}})
    product.simulator.add_template(900, description=notes(900, "template"))
    pve, do = product.simulator.pve, product.simulator.do
    pve.ct_secs["clone"] = LONG
    product.start_worker(PHOENIX_PATIENCE=f"{LONG:g}")
    first = product.producer.ensure(103)
    upid = upid_making(product, 103)
    others = [product.producer.ensure(ctid) for ctid in waiting]
    wait_for(lambda: in_line(product, "ct/900") == len(waiting))
    do(pve.kill_worker, upid)
    failure = failure_of(first)
    assert (failure.cause, "`pct unlock 103`" in failure.remedy) == ("half-made", True)
    assert "`pct unlock 900`" in failure.remedy
    assert "umount" not in failure.remedy, "a clone is mounted elsewhere"
    half_made = failure.remedy
    for handle in others:
        failure = failure_of(handle)
        assert failure.cause == "locked"
        assert failure.message.startswith("Unable to clone template 900 on pve1: it is locked (disk)")
        assert failure.remedy == "Run on pve1: `pct unlock 900`; then send the request again."
    assert [one.made for one in product.simulator.intervals("vzclone")] == [103]
    assert pve.destroyed == []
    pve.ct_secs["clone"] = 0.05
    type_on_node(product.simulator, half_made)
    assert [product.ensure(ctid).outcome for ctid in (103, *waiting)] == ["created"] * 3


ARCHIVE = "backup/vzdump-lxc-103-2026_11_27-12_00_00.tar.zst"


def restore(product: Product, ctid: int) -> str:
    """Restore over what stands there, as an administrator does: until its end that keeps its notes, and is locked."""
    pve, do = product.simulator.pve, product.simulator.do
    pve.storages["local"]["volumes"][ARCHIVE] = {"content": "backup", "format": "tar", "size": 1}
    order = {
        "node": NODE,
        "vmid": ctid,
        "ostemplate": f"local:{ARCHIVE}",
        "restore": 1,
        "force": 1,
        "rootfs": "local-lvm:8",
        "description": product.config(ctid)["description"],
        "hostname": product.config(ctid)["hostname"],
    }
    upid: str = do(pve._lxc_create, "root@pam", order)
    return upid


def test_what_is_being_restored_or_cloned_by_hand_is_waited_for(product: Product, node: RootNode) -> None:
    """It carries our marker and `lock: create`, and no creation and no clone of its template runs."""
    product.declare({900: template(), 103: container(103), 104: container(104)})
    for ctid in (900, 555):
        product.simulator.add_template(ctid, description=notes(ctid, "template"))
    pve = product.simulator.pve
    stand(product, 103, hostname="ct103", description=notes(103))
    pve.ct_secs |= {"create": LONG, "clone": LONG}
    restored = restore(product, 103)
    cloned = admins(product).clone(clone_order(104, 555, notes(104)))
    product.start_worker(**node.environ())
    handles = [product.producer.ensure(ctid) for ctid in (103, 104)]
    waited_for = {f"upid/{restored}", f"upid/{cloned}"}
    wait_for(lambda: waited_for <= set(product.redis.hkeys("phoenix:watched")))
    product.simulator.do(pve.hurry)
    assert done(handles[0].wait(timeout=60)) == [("configure", 103), ("start", 103)]
    assert done(handles[1].wait(timeout=60)) == [("configure", 104), ("start", 104)]
    assert (unlocked(node), pve.destroyed) == ([], [])


@pytest.mark.long
def test_what_is_removed_for_long_is_waited_for_without_a_slot(product: Product, node: RootNode) -> None:
    """Its disks are large. Until they are gone, its configuration looks whole."""
    product.declare({900: template(), 103: container(103)})
    product.simulator.add_template(900, description=notes(900, "template"))
    pve, do = product.simulator.pve, product.simulator.do
    pve.ct_secs |= {"clone": LONG, "destroy": LONG}
    product.start_worker(**node.environ())
    handle = product.producer.ensure(103)
    do(pve.kill_worker, upid_making(product, 103))
    (removal,) = wait_for(lambda: product.simulator.intervals("vzdestroy"))
    wait_for(lambda: product.redis.zscore("phoenix:watch", f"upid/{removal.upid}"))
    pve.ct_secs |= {"clone": 0.05, "destroy": 0.05}
    do(pve.hurry)
    assert done(handle.wait(timeout=60)) == MADE
    orders = [path.rpartition("/")[2] for method, path in product.writes() if method != "DELETE"]
    assert orders == ["clone", "clone", "config", "start"]
    assert product.simulator.intervals("vzdestroy") == [removal]


@pytest.mark.crash
def test_a_worker_that_dies_between_unlocking_and_removing_is_carried_on(product: Product, node: RootNode) -> None:
    """What is unlocked looks whole by then: it is neither configured nor started."""
    product.declare({900: template(), 103: container(103)})
    product.simulator.add_template(900, description=notes(900, "template"))
    pve, do = product.simulator.pve, product.simulator.do
    pve.ct_secs["clone"] = LONG
    doomed = product.start_worker("w1", **node.environ())
    handle = product.producer.ensure(103)
    upid = upid_making(product, 103)

    def die(ctid: int) -> None:
        node.unlocked = lambda _: None
        found = pve.ct(ctid)
        found.config["rootfs"] = "local-lvm:vm-103-disk-0,size=8G"
        doomed.kill()

    node.unlocked = die
    do(pve.kill_worker, upid)
    wait_for(lambda: not doomed.running())
    pve.ct_secs["clone"] = 0.05
    product.start_worker("w2", **node.environ())
    assert done(handle.wait(timeout=60)) == MADE
    assert unlocked(node) == [103, 900]
    assert len(pve.destroyed) == 1
    orders = [path.rpartition("/")[2] for method, path in product.writes() if method != "DELETE"]
    assert orders == ["clone", "clone", "config", "start"]
