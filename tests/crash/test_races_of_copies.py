"""Two workers at once, one of which is killed, while templates, their copies and nodes change below what is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.test_copies import COPIES, CTIDS, copies
from tests.crash.test_kill_in_a_cluster import AROUND, CRASHING, NODES, cluster, made_once
from tests.support.crash import ARMED, KILL_AT
from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product
    from tests.support.worker import WorkerProcess

__all__ = ["cluster"]
pytestmark = [pytest.mark.crash, pytest.mark.long]
SCRATCH = {"PHOENIX_SCRATCH_CTIDS": "9000-9050"}
HOME, OTHER, THIRD = NODES


def two_workers(product: Product, where: str) -> list[WorkerProcess]:
    """Whichever reaches a point, once it is armed, dies there; the other goes on."""
    return [product.start_worker(name, CRASHING, **COPIES, **SCRATCH, **{KILL_AT: where}) for name in ("w1", "w2")]


def at_rest(product: Product) -> None:
    """Nothing is left of any job: no lock, no reservation, nothing at scratch CTIDs, nothing half-made."""
    wait_for(lambda: not product.redis.exists("phoenix:reservations"))
    wait_for(lambda: not list(product.redis.scan_iter("phoenix:lock:*")))
    assert [ct.vmid for ct in product.simulator.pve.cts if ct.vmid in range(9000, 9051)] == []
    assert [ct.vmid for ct in product.simulator.pve.cts if ct.lock] == []


def begun(product: Product, kind: str, count: int = 1) -> None:
    wait_for(lambda: len(product.simulator.intervals(kind)) >= count, timeout=60)


@pytest.mark.parametrize("where", [*(f"{point}:4" for point in AROUND), "replace-recorded:2"])
@pytest.mark.parametrize("after", ["vzcreate", "vztemplate"])
def test_a_template_is_rebuilt_while_a_copy_of_it_is_made(cluster: Product, where: str, after: str) -> None:
    cluster.declare({900: template(), 103: container(103, node=OTHER), 104: container(104)})
    workers = two_workers(cluster, where)
    cluster.producer.ensure(104).wait(timeout=60)
    before = cluster.config(900)["description"]
    cluster.redis.set(ARMED, 1)
    made = cluster.producer.ensure(103)
    begun(cluster, after, 2)
    rebuilt = cluster.producer.rebuild(900)
    assert made.wait(timeout=60).outcome == "created"
    assert rebuilt.wait(timeout=60).outcome == "rebuilt"
    assert len(copies(cluster)) == 1
    assert cluster.config(900)["description"] != before
    (shown,) = cluster.producer.templates().wait(timeout=60)
    assert [(one.exists, one.outdated) for one in (shown, *shown.copies)] == [("template", ())] * 2
    assert cluster.ensure(103).outcome == "unchanged"
    at_rest(cluster)
    assert sum(not one.running() for one in workers) == 1, f"{where} was not reached"


@pytest.mark.parametrize("where", ["effect-done:3", "replace-recorded:2", "before-finish:2"])
@pytest.mark.parametrize("after", ["vzcreate", "vzclone"])
def test_a_template_is_destroyed_while_clones_are_placed(cluster: Product, where: str, after: str) -> None:
    ctids = (103, 104, 105)
    cluster.declare({900: template(), **{ctid: container(ctid, node=[OTHER, THIRD]) for ctid in ctids}})
    workers = two_workers(cluster, where)
    cluster.redis.set(ARMED, 1)
    made = cluster.producer.ensure_many(list(ctids))
    begun(cluster, after)
    gone = cluster.producer.destroy(900)
    assert [one.outcome for one in made.wait(timeout=60)] == ["created"] * 3
    assert gone.wait(timeout=60).outcome in {"destroyed", "unchanged"}
    assert [cluster.status(ctid) for ctid in ctids] == ["running"] * 3
    nodes = [cluster.simulator.pve.ct(ctid).node for ctid in copies(cluster)]
    assert len(nodes) == len(set(nodes)), "one on each node"
    at_rest(cluster)
    assert sum(not one.running() for one in workers) == 1, f"{where} was not reached"
    assert cluster.producer.destroy(900).wait(timeout=60).outcome in {"destroyed", "unchanged"}
    assert copies(cluster) == []
    assert [ctid for ctid in CTIDS if cluster.simulator.pve.ct(ctid)] == []


@pytest.mark.parametrize("where", ["effect-done:3", "before-finish:2"])
def test_a_node_is_drained_while_clones_are_placed(cluster: Product, where: str) -> None:
    ctids = list(range(101, 113))
    cluster.declare({900: template(), **{ctid: container(ctid, node="any") for ctid in ctids}})
    workers = two_workers(cluster, where)
    cluster.redis.set(ARMED, 1)
    made = cluster.producer.ensure_many(ctids[:6])
    begun(cluster, "vzcreate")
    cluster.producer.drain(OTHER).wait(timeout=60)
    later = cluster.producer.ensure_many(ctids[6:])
    assert [one.outcome for one in made.wait(timeout=60)] == ["created"] * 6
    results = later.wait(timeout=60)
    assert {one.node for one in results} <= {HOME, THIRD}
    assert all(cluster.simulator.pve.ct(ctid).node in NODES for ctid in ctids)
    cluster.producer.undrain(OTHER).wait(timeout=60)
    made_once(cluster)
    at_rest(cluster)
    assert sum(not one.running() for one in workers) == 1, f"{where} was not reached"
