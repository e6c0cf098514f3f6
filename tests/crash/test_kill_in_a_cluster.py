"""`kill -9` at each named point while something is placed, copied, migrated or handed to HA: nothing is made twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.durable.crash_points import CHOICE_POINTS, POINTS
from tests.acceptance.test_copies import COPIES, copies
from tests.support.crash import ARMED, KILL_AT
from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_producer import Handle, Handles
    from tests.support.product import Product

pytestmark = [pytest.mark.crash, pytest.mark.long]
NODES = ("pve1", "pve2", "pve3")
CRASHING = "tests.support.crashing_worker"
AROUND = ("intent-recorded", "effect-done", "effect-journalled")
CEPH: dict[str, Any] = {"storage_pool": "ceph"}
IDLE = {"ticked"}
"""Points that say nothing about a job."""


@pytest.fixture
def cluster(product: Product, owned_keys: list[str]) -> Product:
    """Three nodes, with a storage that they share and one that they do not."""
    owned_keys += ["points", ARMED]
    pve = product.simulator.pve
    store = {"type": "rbd", "active": 1, "content": "images,rootdir", "pool": "p", "shared": 1, "files": set()}
    product.simulator.do(pve.storages.__setitem__, "ceph", store)
    product.simulator.set(pve, nodes={node: {"online": True} for node in NODES}, ha_delay=0.1)
    pve.ct_secs |= {"create": 0.1, "clone": 0.1, "template": 0.1, "migrate": 0.1}
    return product


def killed(product: Product, where: str, ask: Callable[[], Handle[Any] | Handles[Any]], **environ: str) -> Any:
    """Ask, with a worker that dies there and another that goes on; return the answer."""
    doomed = product.start_worker("w1", CRASHING, **COPIES, **environ, **{KILL_AT: where})
    product.redis.set(ARMED, 1)
    handle = ask()
    wait_for(lambda: not doomed.running(), timeout=60)
    product.start_worker("w2", **COPIES, **environ)
    return handle.wait(timeout=60)


def made_once(product: Product) -> None:
    """By the journal of all nodes; and no job keeps anything."""
    pve = product.simulator.pve
    ended_well = [one for one in product.simulator.intervals() if pve.tasks[one.upid].get("exitstatus") == "OK"]
    made = Counter(one.made for one in ended_well if one.made is not None)
    assert made == dict.fromkeys((ct.vmid for ct in pve.cts), 1)
    wait_for(lambda: not product.redis.exists("phoenix:reservations"))
    wait_for(lambda: not list(product.redis.scan_iter("phoenix:lock:*")))


def in_a_cluster() -> dict[int, dict[str, Any]]:
    """Declare what is placed after its templates are, and what is cloned from a copy; both become HA resources."""
    return {
        900: template(node="any", **CEPH),
        901: container(901, 900, node="any", **CEPH),
        902: template(902, node=NODES[0]),
        103: container(103, 901, node="any", spread="web", ha=True, **CEPH),
        104: container(104, 902, node=NODES[1], ha=True),
    }


@pytest.mark.parametrize("nth", [2, 5])
@pytest.mark.parametrize("point", [point for point in POINTS if point not in IDLE])
def test_killed_where_two_are_placed_and_copied(cluster: Product, point: str, nth: int) -> None:
    cluster.declare(in_a_cluster())
    results = killed(cluster, f"{point}:{nth}", lambda: cluster.producer.ensure_many([103, 104]))
    assert [result.outcome for result in results] == ["created", "created"]
    assert [cluster.status(ctid) for ctid in (103, 104)] == ["running", "running"]
    assert [cluster.simulator.pve.ct(result.ctid).node for result in results] == [result.node for result in results]
    assert sorted(cluster.simulator.pve.ha_resources) == ["ct:103", "ct:104"]
    assert len(copies(cluster, 902)) == 1
    made_once(cluster)


@pytest.mark.parametrize("what", [900, 901, 103])
@pytest.mark.parametrize("point", CHOICE_POINTS)
def test_killed_where_a_choice_was_made(cluster: Product, point: str, what: int) -> None:
    """Nothing is chosen anew by the next worker, although the nodes that were chosen take nothing by then."""
    cluster.declare(in_a_cluster())
    doomed = cluster.start_worker("w1", CRASHING, **{KILL_AT: f"{point}/{what}"})
    cluster.redis.set(ARMED, 1)
    handle = cluster.producer.ensure(103)
    wait_for(lambda: not doomed.running(), timeout=60)
    chosen = cluster.redis.hgetall(f"phoenix:job:{handle.id}")
    nodes = {ctid: chosen[f"chosen:{ctid}"] for ctid in (900, 901, 103) if f"chosen:{ctid}" in chosen}
    assert str(what) in "".join(f"{ctid} " for ctid in nodes)
    cluster.start_worker("w2")
    result = handle.wait(timeout=60)
    assert result.outcome == "created"
    for ctid, choice in nodes.items():
        assert f'"{cluster.simulator.pve.ct(ctid).node}"' in choice
    made_once(cluster)


@pytest.mark.parametrize("managed", [False, True], ids=["alone", "by-ha"])
@pytest.mark.parametrize("point", [point for point in POINTS if point not in IDLE])
def test_killed_while_one_is_migrated(cluster: Product, point: str, *, managed: bool) -> None:
    cluster.declare({900: template(), 103: container(103, ha=managed)})
    maker = cluster.start_worker("w0", **COPIES)
    cluster.ensure(103)
    maker.kill()
    result = killed(cluster, point, lambda: cluster.producer.migrate(103, to=NODES[1], restart=True))
    assert (result.outcome, result.node, cluster.simulator.pve.ct(103).node) == ("migrated", NODES[1], NODES[1])
    wait_for(lambda: cluster.status(103) == "running")
    kinds = [one.kind for one in cluster.simulator.intervals() if one.kind.endswith("migrate")]
    assert kinds == (["hamigrate", "vzmigrate"] if managed else ["vzmigrate"]), "asked once"
    made_once(cluster)


@pytest.mark.parametrize("when", AROUND)
@pytest.mark.parametrize("step", ["start", "stop"])
def test_killed_around_what_is_asked_of_ha(cluster: Product, step: str, when: str) -> None:
    state = "stopped" if step == "stop" else "running"
    other = "running" if step == "stop" else "stopped"
    cluster.declare({900: template(), 103: container(103, ha=True)})
    maker = cluster.start_worker("w0", **COPIES)
    cluster.ensure(103, state=other)
    maker.kill()
    before = len(cluster.simulator.intervals(f"ha{step}"))
    result = killed(cluster, f"{when}/{step}", lambda: cluster.producer.ensure(103, state=state))
    assert (result.outcome, cluster.status(103)) == ("updated", state)
    assert len(cluster.simulator.intervals(f"ha{step}")) == before + 1, "asked once"
    assert cluster.ensure(103, state=state).outcome == "unchanged"


@pytest.mark.parametrize("when", ["effect-done", "effect-journalled"])
@pytest.mark.parametrize("wanted", [{"max_restart": 3}, False], ids=["changed", "taken-out"])
def test_killed_where_an_ha_resource_is_changed(cluster: Product, wanted: Any, when: str) -> None:
    cluster.declare({900: template(), 103: container(103, ha=True)})
    maker = cluster.start_worker("w0", **COPIES)
    cluster.ensure(103)
    maker.kill()
    cluster.declare({900: template(), 103: container(103, ha=wanted)})
    result = killed(cluster, f"{when}/configure", lambda: cluster.producer.ensure(103))
    resources = cluster.simulator.pve.ha_resources
    assert (resources.get("ct:103") or {}).get("max_restart") == (3 if wanted else None)
    assert [change.key for change in result.changes].count("ha") == 1, "the difference that was first seen"
    assert cluster.ensure(103).outcome == "unchanged"


@pytest.mark.parametrize("where", ["effect-done/destroy", "effect-done/destroy:2", "replace-recorded", "parked:2"])
def test_killed_while_a_template_is_destroyed_with_its_copy(cluster: Product, where: str) -> None:
    cluster.declare({900: template(), 103: container(103, node=NODES[1]), 104: container(104)})
    maker = cluster.start_worker("w0", **COPIES)
    cluster.producer.ensure_many([103, 104]).wait(timeout=60)
    maker.kill()
    cluster.simulator.pve.ct_secs["destroy"] = 0.2
    assert killed(cluster, where, lambda: cluster.producer.destroy(900)).outcome == "destroyed"
    assert (copies(cluster), cluster.status(900)) == ([], "absent")
    assert len(cluster.simulator.intervals("vzdestroy")) == 2, "each once"
