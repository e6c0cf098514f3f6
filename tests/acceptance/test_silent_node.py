"""A node that does not answer fails what stands there, after a while and clearly, and delays nothing else."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer import Exists
from tests.acceptance.scenes import failure_of
from tests.support.many import spread, stand_like
from tests.support.product import container, template
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for
from tests.support.worker import QUICK_START

if TYPE_CHECKING:
    from phoenix_producer.contract import Failure
    from tests.support.product import Product
    from tests.support.worker import StartWorker

SILENT = "pve2"
CTIDS = range(100, 140)
MOVED, ABSENT = 101, 141
PATIENCE = 4
HANGS = 300.0
"""Seconds, more than is waited for any answer."""


@pytest.fixture
def two_nodes(product: Product) -> Product:
    """Each second container stands on a node that is about to be silent; of these, one was moved away."""
    product.declare(spread(CTIDS, (NODE, SILENT)) | {ABSENT: container(ABSENT, node=SILENT)})
    product.start_worker(PHOENIX_PATIENCE=str(PATIENCE))
    product.ensure(100)
    stand_like(product, 100, CTIDS[1:])
    assert product.simulator.do(product.simulator.pve.move, MOVED, NODE)
    return product


def clearly(failure: Failure, ctid: int) -> None:
    assert failure.cause == "unreachable"
    assert failure.message.startswith(f"Unable to look at CT {ctid} on {SILENT}: ")
    assert f"Still failing after {PATIENCE} s (PHOENIX_PATIENCE)." in failure.message


@pytest.mark.long
def test_a_silent_node_fails_what_stands_there_alone_and_nothing_is_made_for_it(two_nodes: Product) -> None:
    pve, do, producer = two_nodes.simulator.pve, two_nodes.simulator.do, two_nodes.producer
    there, here = CTIDS[3::2], CTIDS[:10:2]
    writes = len(two_nodes.writes())
    two_nodes.simulator.set(pve, hang_secs=HANGS)
    do(pve.cut, SILENT, noticed=False)
    doomed = producer.ensure_many([*there, ABSENT])
    results = producer.ensure_many([*here, MOVED]).wait(timeout=60)
    assert {(one.outcome, one.node) for one in results} == {("unchanged", NODE)}
    do(pve.cut, SILENT, noticed=True)
    do(pve.let_go)
    for handle in doomed:
        clearly(failure_of(handle), handle.ctid or 0)
    drifts, standings = producer.drift(()).wait(60), producer.status(()).wait(60)
    for answers in (drifts, standings):
        unknown = [one for one in answers if one.exists is Exists.UNKNOWN]
        assert [one.ctid for one in unknown] == [*there, ABSENT]
        assert all(f"The cluster says that {SILENT} is offline." in one.problem for one in unknown[1:])
    plans = producer.plan_many([here[0], there[0], MOVED])
    assert plans[0].wait(60).lines == plans[2].wait(60).lines == ()
    assert failure_of(plans[1]).cause == "unreachable"
    assert len(two_nodes.writes()) == writes, "nothing is made, here or there"
    do(pve.mend, SILENT)
    do(pve.let_go)
    assert {one.outcome for one in producer.ensure_many(there).wait(timeout=60)} == {"unchanged"}


@pytest.mark.long
@pytest.mark.parametrize(("node", "how"), [(SILENT, "refuses"), ([SILENT, NODE], "hangs")])
def test_clones_of_a_template_on_a_silent_node_lose_their_patience_side_by_side(
    product: Product, node: Any, how: str
) -> None:
    """None waits in the line of its lane for those before it to give up; when the node is back, one follows another.

    Nor for an ensure of the template itself.
    """
    pve, do, ctids = product.simulator.pve, product.simulator.do, range(101, 125)
    shared = {"type": "rbd", "active": 1, "content": "images,rootdir", "pool": "p", "shared": 1, "files": set()}
    do(pve.storages.__setitem__, "ceph", shared)
    do(pve.mend, SILENT)
    clones = {ctid: container(ctid, storage_pool="ceph") for ctid in ctids}
    product.declare({900: template(node=node, storage_pool="ceph"), **clones})
    product.start_worker(PHOENIX_PATIENCE="600")
    product.ensure(900)
    assert do(pve.move, 900, SILENT)
    if how == "refuses":
        do(pve.refusing.add, SILENT)
    else:
        product.simulator.set(pve, hang_secs=3.0)
        do(pve.cut, SILENT)
    handles = product.producer.ensure_many([900, *ctids])

    def tries(job: str) -> int:
        history: Any = product.redis.xrange(f"phoenix:job:{job}:log")
        return sum(entry["kind"] == "retrying" for _, entry in history)

    wait_for(lambda: all(tries(handle.id) > 1 for handle in handles))
    do(pve.mend, SILENT)
    assert [result.outcome for result in handles.wait(timeout=60)] == ["unchanged", *["created"] * len(ctids)]
    done = sorted(product.simulator.intervals("vzclone"), key=lambda one: one.start)
    assert all((before.end or 0) <= after.start for before, after in pairwise(done))


@pytest.mark.long
def test_child_processes_do_not_all_wait_for_a_silent_node(product: Product, start_worker: StartWorker) -> None:
    """One finds out whether it answers again, which lasts as long as the test; another serves the other node."""
    pve, do, producer = product.simulator.pve, product.simulator.do, product.producer
    product.declare(spread(CTIDS, (NODE, SILENT)))
    settings = product.environ(PHOENIX_PATIENCE="600", PHOENIX_PROXMOX_TIMEOUT="300")
    start_worker("phoenix_worker", settings, concurrency=2, flags=(*QUICK_START, "--pool", "processes"))
    product.ensure(CTIDS[0])
    stand_like(product, CTIDS[0], CTIDS[1:])
    product.simulator.set(pve, hang_secs=600.0)
    do(pve.cut, SILENT, noticed=False)
    doomed = producer.ensure_many(CTIDS[1::2])
    wait_for(lambda: sum(f"/nodes/{SILENT}/" in path for _, path in product.calls()) >= 2 + 1)
    results = producer.ensure_many(CTIDS[::2]).wait(timeout=60)
    assert {(one.outcome, one.node) for one in results} == {("unchanged", NODE)}
    do(pve.mend, SILENT)
    do(pve.let_go)
    assert {one.outcome for one in doomed.wait(timeout=60)} == {"unchanged"}
