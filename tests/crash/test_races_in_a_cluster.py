"""Two workers at once, while an administrator, HA and a failing node change what they are at work on."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.scenes import before, failure_of, stand
from tests.acceptance.test_placing import cluster, place_of
from tests.crash.test_kill_in_a_cluster import made_once
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.product import Product

__all__ = ["cluster"]
pytestmark = [pytest.mark.crash, pytest.mark.long]
MIB = 1 << 20
HOME, OTHER, THIRD = "pve1", "pve2", "pve3"
CEPH: dict[str, Any] = {"storage_pool": "ceph"}


def created(ctid: int, **more: Any) -> dict[str, Any]:
    return container(ctid, None, **{"template": OS_TEMPLATE, "node": "any", **CEPH, **more})


def two_workers(product: Product, **environ: str) -> None:
    for name in ("w1", "w2"):
        product.start_worker(name, **environ)


def test_the_last_memory_of_each_node_is_promised_once(cluster: Product) -> None:
    """Three nodes have 6 GiB free each: two of 2.5 GiB fit on each, whoever asks first."""
    ctids = range(101, 110)
    cluster.declare({ctid: created(ctid, memory_mb=2560) for ctid in ctids})
    two_workers(cluster, PHOENIX_PATIENCE="2")
    cluster.simulator.pve.ct_secs["create"] = 1.0
    handles = {ctid: cluster.producer.ensure(ctid) for ctid in ctids}
    most: Counter[str] = Counter()
    while not all(handle.done() for handle in handles.values()):
        held: Counter[str] = Counter()
        for value in map(json.loads, cluster.redis.hvals("phoenix:reservations")):
            held[value["node"]] += value["memory"]
        most |= held
    made = Counter(place_of(cluster, ctid) for ctid in ctids if cluster.simulator.pve.ct(ctid))
    assert made == {HOME: 2, OTHER: 2, THIRD: 2}
    assert max(most.values()) <= 6144 * MIB, most
    left = [handle for ctid, handle in handles.items() if not cluster.simulator.pve.ct(ctid)]
    assert [failure_of(handle).cause for handle in left] == ["no-node"] * 3


@pytest.mark.parametrize(
    ("ask", "method", "suffix"),
    [
        ("create", "POST", "/clone"),
        ("change", "PUT", "/103/config"),
        ("grow", "PUT", "/103/resize"),
        ("start", "POST", "/103/status/start"),
        ("stop", "POST", "/103/status/shutdown"),
        ("destroy", "DELETE", "/103"),
    ],
)
def test_an_administrator_migrates_it_just_before_each_write(
    cluster: Product, ask: str, method: str, suffix: str
) -> None:
    pve = cluster.simulator.pve
    cluster.declare({900: template(**CEPH), 103: container(103, state="stopped" if ask == "start" else None, **CEPH)})
    two_workers(cluster)
    if ask != "create":
        cluster.ensure(103)
    more: dict[str, dict[str, Any]] = {
        "change": {"memory_mb": 768},
        "grow": {"storage_size_gb": 12},
        "stop": {"state": "stopped"},
    }
    cluster.declare({900: template(**CEPH), 103: container(103, **CEPH, **more.get(ask, {}))})
    target = 900 if ask == "create" else 103
    locked: list[str] = []

    async def migrate() -> None:
        await pve.migrate(target, OTHER, 0.5)
        for _ in range(50):  # the task begins
            await asyncio.sleep(0)
        locked.append(pve.ct(target).lock)

    before(cluster, method, suffix, migrate)
    if ask == "destroy":
        assert cluster.producer.destroy(103).wait(timeout=60).outcome == "destroyed"
        assert (cluster.status(103), locked) == ("absent", ["migrate"])
        return
    result = cluster.ensure(103)
    assert locked == ["migrate"]
    assert cluster.status(103) == ("stopped" if ask == "stop" else "running")
    assert pve.ct(target).node == OTHER
    assert result.node == (HOME if ask == "create" else OTHER)
    assert cluster.ensure(103).outcome == "unchanged"
    made_once(cluster)


def test_a_copied_marker_makes_nothing_else_ours(cluster: Product) -> None:
    """The notes come along when a container is cloned or restored by hand, and people copy lines."""
    cluster.declare({900: template(**CEPH), 103: container(103, **CEPH), 104: container(104, **CEPH)})
    copies = {"PHOENIX_COPY_CTIDS": "9100-9103"}
    cluster.start_worker("w1", **copies)
    cluster.ensure(103)
    notes = {ctid: cluster.config(ctid)["description"] for ctid in (900, 103)}
    stand(cluster, 104, node=OTHER, description=notes[103])
    stand(cluster, 9101, node=OTHER, description=notes[900])
    stand(cluster, 9102, node=HOME, description=notes[103])
    assert failure_of(cluster.producer.ensure(104)).cause == "other-node"
    assert failure_of(cluster.producer.destroy(104)).cause == "other-node"
    (shown,) = cluster.producer.templates().wait(timeout=60)
    assert shown.copies == ()
    assert cluster.producer.destroy(103).wait(timeout=60).outcome == "destroyed"
    assert cluster.producer.destroy(900).wait(timeout=60).outcome == "destroyed"
    assert [cluster.status(ctid) for ctid in (103, 104, 900, 9101, 9102)] == [
        "absent",
        "stopped",
        "absent",
        *["stopped"] * 2,
    ]


@pytest.mark.parametrize("noticed", [False, True], ids=["silent", "offline"])
def test_a_chosen_node_goes_silent_and_comes_back(cluster: Product, *, noticed: bool) -> None:
    """It is made there all the same, once; never on another node."""
    pve = cluster.simulator.pve
    cluster.simulator.set(pve, hang_secs=0.5)
    cluster.declare({101: created(101)})
    two_workers(cluster)
    before(cluster, "POST", f"/nodes/{HOME}/lxc", lambda: pve.cut(HOME, noticed=noticed))
    handle = cluster.producer.ensure(101)
    wait_for(lambda: HOME in pve.hanging)
    other = cluster.producer.ensure(101)
    wait_for(lambda: cluster.redis.hvals("phoenix:reservations"))
    cluster.simulator.do(pve.mend, HOME)
    cluster.simulator.do(pve.let_go)
    assert handle.wait(timeout=60).node == HOME
    assert other.wait(timeout=60).node == HOME
    made_once(cluster)


def _taken(pve: Any, node: str) -> Callable[[], None]:
    config = {"hostname": "theirs", "rootfs": "ceph:vm-101-disk-0,size=8G"}
    return lambda: pve.add_ct(101, node=node, status="stopped", config=config)


@pytest.mark.parametrize("node", [HOME, OTHER])
def test_somebody_takes_the_ctid_between_choice_and_creation(cluster: Product, node: str) -> None:
    cluster.declare({101: created(101)})
    two_workers(cluster)
    before(cluster, "POST", f"/nodes/{HOME}/lxc", _taken(cluster.simulator.pve, node))
    failure = failure_of(cluster.producer.ensure(101))
    assert failure.cause in {"not-ours", "other-node"}
    assert (cluster.status(101), place_of(cluster, 101)) == ("stopped", node)
    wait_for(lambda: not cluster.redis.exists("phoenix:reservations"))


def test_ha_moves_it_while_it_is_stopped(cluster: Product) -> None:
    pve = cluster.simulator.pve
    cluster.declare({900: template(**CEPH), 103: container(103, ha=True, **CEPH)})
    two_workers(cluster)
    cluster.ensure(103)
    cluster.simulator.set(pve, ha_delay=600.0)
    handle = cluster.producer.ensure(103, state="stopped")
    wait_for(lambda: cluster.simulator.intervals("hastop"))
    assert cluster.simulator.do(pve.move, 103, OTHER)
    cluster.simulator.do(pve.hurry)
    result = handle.wait(timeout=60)
    assert (result.outcome, cluster.status(103), place_of(cluster, 103)) == ("updated", "stopped", OTHER)
    assert cluster.ensure(103, state="stopped").node == OTHER


def test_a_node_is_drained_between_choice_and_creation(cluster: Product) -> None:
    cluster.declare({101: created(101), 102: created(102)})
    two_workers(cluster)
    before(
        cluster,
        "POST",
        f"/nodes/{HOME}/lxc",
        lambda: cluster.redis.hset("phoenix:drained", HOME, json.dumps({"by": "test", "at": 0})),
    )
    first = cluster.ensure(101)
    assert (first.node, cluster.ensure(102).node) == (HOME, OTHER), "what was chosen before stays"
    made_once(cluster)
