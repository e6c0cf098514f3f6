"""Containers that an administrator, or HA, has moved: ours are followed to the node where they stand now."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.scenes import done, failure_of, notes, refused, stand
from tests.support.crash import ARMED, KILL_AT
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer import EnsureResult
    from tests.support.product import Product

OTHER, THIRD = "pve2", "pve3"
CALLS = 5
"""Those that name a new container: two looks, its configuration, the growth of its disk, its start."""


def words(ctid: int, node: str = OTHER) -> str:
    return f"CT {ctid} stands on {node}; the catalog says {NODE}."


def move(product: Product, ctid: int, node: str = OTHER) -> None:
    assert product.simulator.do(product.simulator.pve.move, ctid, node)


def writes_on(product: Product, node: str, since: int) -> list[tuple[str, str]]:
    return [call for call in product.calls()[since:] if call[0] != "GET" and call[1].startswith(f"/nodes/{node}/lxc/")]


def stands(product: Product, result: EnsureResult, node: str = OTHER) -> None:
    """It is told where it stands, and it does stand there, once."""
    assert (result.node, product.simulator.pve.ct(result.ctid).node) == (node, node)
    assert result.warnings == (words(result.ctid, node),)


def test_what_was_moved_is_converged_started_stopped_and_destroyed_where_it_stands(product: Product) -> None:
    product.declare({900: template(), 103: container(103), 104: container(104, None, template=OS_TEMPLATE)})
    product.start_worker()
    for ctid in (103, 104):
        product.ensure(ctid)
        move(product, ctid)
    began = len(product.calls())
    for ctid in (103, 104):
        again = product.ensure(ctid)
        assert (again.outcome, again.steps) == ("unchanged", ())
        stands(product, again)
    product.declare({900: template(), 103: container(103, memory_mb=768, storage_size_gb=10)})
    changed = product.ensure(103)
    assert done(changed) == [("configure", 103)]
    stands(product, changed)
    assert product.config(103)["memory"] == "768"
    stopped = product.ensure(103, state="stopped")
    assert (product.status(103), done(stopped)) == ("stopped", [("stop", 103)])
    stands(product, stopped)
    started = product.ensure(103)
    assert (product.status(103), done(started)) == ("running", [("start", 103)])
    stands(product, started)
    gone = product.producer.destroy(103).wait(timeout=60)
    assert (gone.outcome, gone.node, product.status(103)) == ("destroyed", OTHER, "absent")
    assert writes_on(product, NODE, began) == [], "nothing is written on the node where it no longer stands"
    assert product.ensure(103).node == NODE, "what is made is made where it is declared"


def test_what_is_only_verified_is_verified_where_it_stands(product: Product) -> None:
    product.declare({900: template(), 103: container(103, enable_lifecycle_snapshots=True)})
    product.start_worker()
    product.ensure(103)
    move(product, 103)
    ct = product.simulator.pve.ct(103)
    product.simulator.do(ct.snapshots.clear)
    unverified = re.sub(r" verified=\S+", "", product.config(103)["description"])
    product.simulator.do(ct.config.update, {"description": unverified})
    result = product.ensure(103)
    assert (done(result), list(ct.snapshots)) == ([], ["final-form"])
    stands(product, result)
    assert product.ensure(103).outcome == "unchanged"


def test_drift_status_and_plan_say_where_it_stands(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    product.start_worker()
    product.ensure(103)
    move(product, 103)
    (drift,) = product.producer.drift([103]).wait(timeout=60)
    (standing,) = product.producer.status([103]).wait(timeout=60)
    plan = product.producer.plan(103).wait(timeout=60)
    assert drift.elsewhere == standing.elsewhere == plan.elsewhere == words(103)
    assert drift.node == standing.node == plan.node == OTHER
    assert (drift.differs, drift.actions, plan.lines) == (True, (), ()), "an ensure leaves it where it is"
    assert words(103) in product.ensure(103, dry_run=True).warnings


def test_what_is_on_another_node_and_not_ours_is_refused(product: Product) -> None:
    clones = {ctid: container(ctid) for ctid in (103, 104)}
    product.declare({900: template(), **clones, 105: template(105), 106: container(106, 105)})
    product.simulator.add_template(900)
    stand(product, 103, node=OTHER)
    stand(product, 104, node=OTHER, description=notes(110))
    stand(product, 105, node=OTHER, description=notes(105, "container"))
    product.start_worker()
    for ctid in (103, 104):
        assert (failure := refused(product, ctid)).cause == "other-node", failure
        assert failure_of(product.producer.destroy(ctid)).cause == "other-node"
    assert refused(product, 105).cause == "role-changed", "ours is judged as it is anywhere"
    assert product.writes() == [] or all(path.endswith("/900/clone") for _, path in product.writes())


@pytest.mark.long
def test_it_is_followed_whenever_it_moves_between_two_calls(product: Product) -> None:
    """Each is moved after another number of calls; and once more, later."""
    ctids = range(100, 110)
    product.declare({900: template(), **{ctid: container(ctid, storage_size_gb=10) for ctid in ctids}})
    product.start_worker()
    product.ensure(900)
    pve = product.simulator.pve
    for place, ctid in enumerate(ctids):
        calls, more = 1 + place % CALLS, 2 + place // CALLS
        product.simulator.do(pve.move_after, ctid, OTHER, calls=calls)
        product.simulator.do(pve.move_after, ctid, THIRD, calls=calls + more)
    handles = product.producer.ensure_many(list(ctids))
    for handle in handles:
        result = handle.wait(timeout=60)
        assert (result.outcome, product.status(result.ctid)) == ("created", "running")
        assert product.config(result.ctid)["memory"] == "512"
        assert "size=10G" in product.config(result.ctid)["rootfs"]
    assert sorted(one.made for one in product.simulator.intervals("vzclone") if one.made) == list(ctids)
    product.simulator.do(pve.turns.clear)
    for ctid in ctids:
        assert pve.ct(ctid).node in {OTHER, THIRD}
        again = product.ensure(ctid)
        assert (again.outcome, again.node) == ("unchanged", pve.ct(ctid).node)


def test_what_the_worker_did_not_know_of_is_not_made_a_second_time(product: Product) -> None:
    """It came to another node within the minute for which the worker remembers what stands in the cluster."""
    clones = {103: container(103), 104: container(104), 105: container(105, 901), 106: container(106, 902)}
    product.declare({900: template(), 901: template(901), 902: template(902, storage_pool="nosuch"), **clones})
    product.start_worker()
    product.ensure(104)
    for ctid in (103, 105, 106):
        stand(product, ctid, node=OTHER, description=notes(ctid))
        result = product.ensure(ctid)
        assert (result.outcome, product.status(ctid), result.templates_built) == ("updated", "running", ())
        assert product.config(ctid)["memory"] == "512"
        stands(product, result)
        assert product.ensure(ctid).outcome == "unchanged"
    assert [one.made for one in product.simulator.intervals("vzclone")] == [104]
    assert product.status(901) == product.status(902) == "absent"


def test_a_migration_under_way_is_waited_for(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    product.start_worker()
    product.ensure(103)
    product.declare({900: template(), 103: container(103, memory_mb=768)})
    product.simulator.do(product.simulator.pve.migrate, 103, OTHER, 1.5)
    wait_for(lambda: product.simulator.pve.ct(103).lock == "migrate")
    result = product.ensure(103)
    assert product.config(103)["memory"] == "768"
    stands(product, result)
    product.simulator.do(product.simulator.pve.migrate, 103, THIRD, 1.5)
    wait_for(lambda: product.simulator.pve.ct(103).lock == "migrate")
    assert product.producer.destroy(103).wait(timeout=60).node == THIRD
    assert product.status(103) == "absent"


def test_a_moved_template_is_cloned_from_where_it_stands(product: Product) -> None:
    shared = {"type": "rbd", "active": 1, "content": "images,rootdir", "files": set(), "pool": "p", "shared": 1}
    product.simulator.do(product.simulator.pve.storages.__setitem__, "ceph", shared)
    ceph = {ctid: container(ctid, 901, storage_pool="ceph") for ctid in (104, 105)}
    product.declare({900: template(), 901: template(901, storage_pool="ceph"), 103: container(103), **ceph})
    product.start_worker()
    product.producer.ensure_many([900, 901]).wait(timeout=60)
    for ctid in (900, 901):
        move(product, ctid)
    planned, failure = failure_of(product.producer.plan(103)), refused(product, 103)
    assert (planned.cause, failure.cause) == ("storage-not-shared", "storage-not-shared")
    assert failure.message == planned.message
    assert "its template 900 lies on pve2, and local-lvm is not shared by the two nodes" in failure.message
    assert not any(path.endswith("/900/clone") for _, path in product.writes())
    made = product.ensure(104)
    assert (made.outcome, made.node, product.simulator.pve.ct(104).node) == ("created", NODE, NODE)
    product.simulator.do(product.simulator.pve.move_after, 901, THIRD, ending="/901/config")
    assert product.ensure(105).outcome == "created", "moved between the look and the clone"
    assert product.ensure(901).node == THIRD


def test_a_worker_is_killed_between_steps_and_the_container_moves_meanwhile(
    product: Product, owned_keys: list[str]
) -> None:
    owned_keys += ["points", ARMED]
    product.declare({900: template(), 103: container(103, storage_size_gb=16)})
    product.redis.set(ARMED, 1)
    environ = {KILL_AT: "before-finish:4"}
    doomed = product.start_worker("w1", "tests.support.crashing_worker", **environ)
    handle = product.producer.ensure(103)
    wait_for(lambda: not doomed.running() or handle.done(), timeout=60)
    assert not doomed.running()
    assert product.simulator.pve.ct(103) is not None, "it is made, and not finished"
    assert product.simulator.do(product.simulator.pve.move, 103, OTHER)
    product.start_worker("w2")
    result = handle.wait(timeout=60)
    assert (result.outcome, product.status(103)) == ("created", "running")
    stands(product, result)
    assert len(product.simulator.intervals("vzclone")) == 1
