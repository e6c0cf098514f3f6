"""Containers that may be on several nodes: one is chosen that has room, once, and told with its reasons."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.scenes import failure_of, refused
from tests.support.crash import ARMED, KILL_AT
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.product import Product

NODES = tuple(f"pve{number}" for number in range(1, 6))


@pytest.fixture
def cluster(product: Product) -> Iterator[Product]:
    """Five equal nodes with a shared storage, of which pve4 is down and pve5 drained."""
    pve = product.simulator.pve
    for node in NODES:
        product.simulator.do(pve.nodes.__setitem__, node, {"online": node != "pve4"})
    store = {"type": "rbd", "active": 1, "content": "rootdir", "shared": 1, "files": set()}
    product.simulator.do(pve.storages.__setitem__, "ceph", store)
    product.redis.hset("phoenix:drained", "pve5", json.dumps({"by": "test", "at": 0}))
    yield product
    product.redis.delete("phoenix:drained")


def small(ctid: int, node: str | list[str] = "any", **more: Any) -> dict[str, Any]:
    return container(ctid, node=node, storage_pool="ceph", memory_mb=64, **more)


def place_of(product: Product, ctid: int) -> str:
    return str(product.simulator.pve.ct(ctid).node)


def test_each_goes_where_there_is_room_and_is_told_why_and_stays(cluster: Product) -> None:
    clones = {ctid: small(ctid) for ctid in range(101, 106)}
    alone = container(107, None, template=OS_TEMPLATE, node=["pve3", "pve9", "pve2"], storage_pool="local-lvm")
    nowhere = small(108, ["pve5", "pve9"])
    cluster.declare({900: template(storage_pool="ceph"), **clones, 107: alone, 108: nowhere})
    cluster.start_worker()
    plan = cluster.producer.plan(101).wait(timeout=60)
    assert (plan.node, plan.placed.startswith("pve1: ")) == ("pve1", True)
    assert f"place CT 101 on {plan.placed}" in plan.lines
    assert not cluster.redis.exists("phoenix:reservations"), "a plan reserves nothing"

    failure = refused(cluster, 108)
    assert (failure.cause, failure.node) == ("no-node", "pve5, pve9")
    assert "pve5: it is drained; pve9: the cluster has no such node" in failure.message
    assert cluster.writes() == []

    handles = {ctid: cluster.producer.ensure(ctid) for ctid in clones}
    results = {ctid: handle.wait(timeout=60) for ctid, handle in handles.items()}
    nodes = {ctid: result.node for ctid, result in results.items()}
    assert Counter(nodes.values()) == {"pve1": 2, "pve2": 2, "pve3": 1}
    assert nodes == {ctid: place_of(cluster, ctid) for ctid in clones}
    assert all(result.placed.startswith(f"{result.node}: ") for result in results.values())
    assert all("not pve4: it is offline; not pve5: it is drained" in result.placed for result in results.values())
    assert not cluster.redis.exists("phoenix:reservations"), "they end with their jobs"
    again = cluster.ensure(103)
    assert (again.outcome, again.node, again.placed) == ("unchanged", nodes[103], "")

    made = cluster.ensure(107)
    assert (made.outcome, place_of(cluster, 107)) == ("created", "pve3"), made.placed
    assert "not pve9: the cluster has no such node" in made.placed
    for node, told in (("pve2", ()), ("pve1", ("CT 107 stands on pve1; the catalog says pve3, pve9, pve2.",))):
        assert cluster.simulator.do(cluster.simulator.pve.move, 107, node)
        assert (moved := cluster.ensure(107)).node == node
        assert (moved.outcome, moved.warnings) == ("unchanged", told)
    assert cluster.producer.destroy(107).wait(timeout=60).node == "pve1"
    (standing,) = cluster.producer.status([107]).wait(timeout=60)
    assert (standing.exists, standing.node) == ("absent", "pve3, pve9, pve2")


@pytest.mark.long
def test_a_template_without_a_node_is_placed_first_and_rebuilt_where_it_stands(cluster: Product) -> None:
    """Its storage is not shared: its clones go to its node, also those that were asked for before it was there."""
    clones = {ctid: container(ctid) for ctid in (101, 102, 103)}
    elsewhere = container(104, node="pve3")
    cluster.declare({900: template(), 901: container(901, is_template=True), **clones, 104: elsewhere})
    for name in ("w1", "w2"):
        cluster.start_worker(name, PHOENIX_NODE="any", PHOENIX_SCRATCH_CTIDS="9000-9099")
    plan = cluster.producer.plan(101).wait(timeout=60)
    assert {part.ctid: part.node for part in (*plan.first, plan)} == {900: "pve1", 101: "pve1"}
    results = [handle.wait(timeout=60) for handle in [cluster.producer.ensure(ctid) for ctid in clones]]
    home = place_of(cluster, 900)
    assert {one.node for one in results} == {place_of(cluster, ctid) for ctid in clones} == {home}
    assert "not shared" in results[0].placed
    assert refused(cluster, 104).cause == "storage-not-shared"

    assert cluster.ensure(101).outcome == "unchanged"
    assert cluster.producer.destroy(101).wait(timeout=60).outcome == "destroyed"
    assert cluster.simulator.do(cluster.simulator.pve.move, 900, "pve2")
    rebuilt = cluster.producer.rebuild(900).wait(timeout=60)
    assert (rebuilt.outcome, rebuilt.node, place_of(cluster, 900)) == ("rebuilt", "pve2", "pve2")
    assert cluster.ensure(901).node == "pve2"
    assert cluster.ensure(101).node == "pve2"
    assert not cluster.redis.exists("phoenix:reservations")


@pytest.mark.long
def test_a_required_group_is_on_different_nodes_or_refused(cluster: Product) -> None:
    group = {ctid: small(ctid, spread={"group": "web", "require": True}) for ctid in range(101, 105)}
    cluster.declare({900: template(storage_pool="ceph"), **group})
    cluster.start_worker()
    handles = [cluster.producer.ensure(ctid) for ctid in range(101, 104)]
    assert {handle.wait(timeout=60).node for handle in handles} == {"pve1", "pve2", "pve3"}
    foretold = failure_of(cluster.producer.plan(104))
    assert (foretold.cause, "Still failing" in foretold.message) == ("no-node", False), "a plan has no such patience"
    cluster.simulator.do(cluster.simulator.pve.nodes.pop, "pve4")
    failure = refused(cluster, 104)
    assert failure.cause == "no-node"
    assert failure.message.count("of its spread group web is there") == 3


@pytest.mark.crash
@pytest.mark.long
def test_a_choice_outlives_the_worker_that_made_it(cluster: Product, owned_keys: list[str]) -> None:
    """The node that was chosen is full by the time when another worker goes on: it is not chosen anew."""
    owned_keys += ["points", ARMED]
    cluster.declare({101: container(101, None, template=OS_TEMPLATE, node="any", storage_pool="ceph")})
    cluster.redis.set(ARMED, 1)
    doomed = cluster.start_worker("w1", "tests.support.crashing_worker", **{KILL_AT: "choice-settled/101"})
    handle = cluster.producer.ensure(101)
    wait_for(lambda: not doomed.running(), timeout=60)
    (reservation,) = map(json.loads, cluster.redis.hvals("phoenix:reservations"))
    assert (reservation["ctid"], reservation["node"], reservation["memory"]) == (101, "pve1", 512 << 20)
    cluster.redis.hset("phoenix:drained", "pve1", "{}")
    cluster.start_worker("w2")
    assert handle.wait(timeout=60).node == place_of(cluster, 101) == "pve1"
