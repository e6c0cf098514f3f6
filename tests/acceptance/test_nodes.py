"""Operators see the nodes, and say which take no new containers."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.scenes import failure_of, refused
from tests.acceptance.test_inspect import cli
from tests.support.crash import ARMED, KILL_AT
from tests.support.product import container, template
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer import NodeState
    from tests.support.product import Product

DRAINED, RESERVATIONS = "phoenix:drained", "phoenix:reservations"
OTHER = "pve2"


def cluster(product: Product) -> None:
    nodes = {NODE: {"online": True}, OTHER: {"online": True}, "pve3": {"online": False}}
    product.simulator.set(product.simulator.pve, nodes=nodes)


def states(product: Product) -> dict[str, NodeState]:
    return {one.name: one.state for one in product.producer.nodes().wait(timeout=60)}


def test_a_drained_node_takes_nothing_new_and_keeps_what_it_has(product: Product) -> None:
    cluster(product)
    product.declare({900: template(), 103: container(103), 104: container(104)})
    product.start_worker()
    product.ensure(103)
    drained = product.producer.drain(NODE).wait(timeout=60)
    assert (drained.node, drained.drained, drained.changed, drained.by) == (NODE, True, True, "tests")
    assert json.loads(product.redis.hgetall(DRAINED)[NODE]) == {"by": "tests", "at": drained.at}
    again = product.producer.drain(NODE).wait(timeout=60)
    assert (again.changed, again.by, again.at) == (False, "tests", drained.at)
    failure = refused(product, 104)
    assert (failure.cause, failure.node) == ("node-drained", NODE)
    assert f"phoenix-lxc undrain {NODE}" in failure.remedy
    assert failure_of(product.producer.plan(104)).message == failure.message
    assert product.ensure(103, state="stopped").outcome == "updated", "what stands there is worked on as before"
    assert states(product) == {NODE: "drained", OTHER: "online", "pve3": "offline"}
    (command,) = re.findall(r"`phoenix-lxc ([^`]+)`", failure.remedy)
    assert cli(product, *shlex.split(command)).exit_code == 0
    assert product.ensure(104).outcome == "created"
    assert not product.producer.undrain(NODE).wait(timeout=60).changed
    unknown = failure_of(product.producer.drain("pve22"))
    assert (unknown.cause, unknown.remedy) == (
        "no-such-node",
        "Did you mean 'pve2'? Its nodes are: pve1, pve2, pve3.",
    )
    assert failure_of(product.producer.undrain("gone")).cause == "no-such-node"


@pytest.mark.long
def test_no_template_is_made_on_a_drained_node_for_a_clone_on_another(product: Product) -> None:
    cluster(product)
    store = {"type": "rbd", "active": 1, "content": "rootdir", "shared": 1, "files": set()}
    product.simulator.do(product.simulator.pve.storages.__setitem__, "ceph", store)
    product.declare({900: template(node=OTHER, storage_pool="ceph"), 103: container(103, storage_pool="ceph")})
    product.start_worker()
    product.producer.drain(OTHER).wait(timeout=60)
    failure = refused(product, 103)
    assert failure.cause == failure_of(product.producer.plan(103)).cause == "node-drained"
    assert product.writes() == []
    product.producer.undrain(OTHER).wait(timeout=60)
    assert product.ensure(103).templates_built == (900,)


def test_nodes_are_told_with_room_reservations_and_what_is_under_way(product: Product, owned_keys: list[str]) -> None:
    owned_keys += [DRAINED, RESERVATIONS, "phoenix:job:one", "phoenix:job:two"]
    cluster(product)
    pve = product.simulator.pve
    product.simulator.set(pve, nodes=pve.nodes | {OTHER: {"online": True, "maintenance": True}})
    product.declare({900: template(), 103: container(103), 104: container(104)})
    product.redis.hset(DRAINED, "gone", "not json")
    product.redis.hset(DRAINED, "pve3", json.dumps({"by": "ops", "at": 5.0}))
    placed = {"ctid": 120, "node": OTHER, "memory": 3 << 30, "disk": 8 << 30, "at": 5.0}
    for name, ctid in (("one", 120), ("two", 119)):
        product.redis.hset(f"phoenix:job:{name}", "state", "open")  # or nobody would have reserved it
        product.redis.hset(RESERVATIONS, name, json.dumps(placed | {"ctid": ctid}))
    strange = ["{", "[" * 20_000, "{}", json.dumps({"node": OTHER})]
    figures = ("x", -1, True, None, 1e300, float("inf"), 10**40)
    strange += [json.dumps(placed | {key: one}) for key in ("ctid", "memory", "disk") for one in figures]
    product.redis.hset(RESERVATIONS, mapping={f"one/damaged{place}": text for place, text in enumerate(strange)})
    product.simulator.add_template(900)
    product.simulator.do(pve.refresh_resources)
    product.simulator.set(pve, ct_secs=pve.ct_secs | {"clone": 600.0})
    product.start_worker(PHOENIX_NODE_CAPACITY="1")
    handle = product.producer.ensure(103)
    wait_for(lambda: product.simulator.intervals("vzclone"))
    first, second, third = product.producer.nodes().wait(timeout=60)
    product.simulator.do(pve.hurry)
    assert (first.name, first.state, first.in_flight, first.places) == (NODE, "online", 1, 1)
    assert (first.templates, first.cpus, first.memory_free) == ((900,), 4, 6 << 30)
    assert (second.state, second.reserved, second.reserved_memory) == ("maintenance", (119, 120), 6 << 30)
    assert (second.reserved_disk, second.in_flight) == (16 << 30, 0)
    assert (third.state, third.drained_by, third.drained_at, third.memory) == ("offline", "ops", 5.0, None)
    product.redis.hset(DRAINED, NODE, json.dumps({"by": ["ops"], "at": float("inf")}))
    assert [one.drained_at for one in product.producer.nodes().wait(timeout=60)] == [None, None, 5.0]
    assert not product.producer.drain(NODE).wait(timeout=60).changed
    assert product.producer.undrain("gone").wait(timeout=60).changed, "it has left the cluster"
    handle.wait(timeout=60)


@pytest.mark.crash
@pytest.mark.long
@pytest.mark.parametrize("when", ["intent-recorded", "effect-done", "effect-journalled"])
@pytest.mark.parametrize("step", ["drain", "undrain"])
def test_killed_while_a_node_is_drained(product: Product, owned_keys: list[str], step: str, when: str) -> None:
    owned_keys += ["points", ARMED, DRAINED]
    cluster(product)
    if step == "undrain":
        product.redis.hset(DRAINED, OTHER, json.dumps({"by": "ops", "at": 5.0}))
    product.redis.set(ARMED, 1)
    doomed = product.start_worker("w1", "tests.support.crashing_worker", **{KILL_AT: f"{when}/{step}"})
    handle = product.producer.drain(OTHER) if step == "drain" else product.producer.undrain(OTHER)
    wait_for(lambda: not doomed.running() or handle.done(), timeout=60)
    assert not doomed.running(), f"{when} was not reached in {step}"
    product.start_worker("w2")
    told = handle.wait(timeout=60)
    assert (told.drained, told.changed) == (step == "drain", True)
    assert product.redis.hexists(DRAINED, OTHER) is (step == "drain")
