"""Answers about many CTIDs: looked at side by side, each as if it were asked for alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_producer import Cancelled, Exists, Failure, Plan
from phoenix_producer.client.link import Link
from phoenix_producer.ledger.view import LedgerView
from tests.acceptance.scenes import failure_of, stand
from tests.support.many import TEMPLATE, spread, stand_like
from tests.support.product import container, template
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product

NODES = (NODE, "pve2")
CTIDS = range(100, 130)


@pytest.mark.long
def test_each_answer_is_the_one_that_it_has_alone_and_what_fails_spoils_no_other(product: Product) -> None:
    product.declare(spread(CTIDS, NODES) | {130: container(130, memory_mb=768)})
    product.start_worker()
    product.ensure(100)
    stand_like(product, 100, CTIDS[1:25])
    stand(product, 126)
    stand(product, 127, node="pve3")
    pve = product.simulator.pve
    product.simulator.do(pve.ct(103).config.update, {"memory": "256"})
    product.simulator.set(pve.ct(104), status="stopped")
    assert product.simulator.do(pve.move, 105, "pve3")
    product.simulator.do(pve.fail, "GET", "/lxc/106/config", status=403, message="Permission check failed")
    product.simulator.set(pve, foreign=("lxc/107/config", ["strange"]))
    drifts, standings = product.producer.drift(()).wait(60), product.producer.status(()).wait(60)
    ctids = [TEMPLATE, *CTIDS, 130]
    assert sorted(one.ctid for one in drifts) == [one.ctid for one in standings] == sorted(ctids)
    sample = [103, 104, 105, 106, 107, 126, 127, 129, TEMPLATE]
    alone = {
        ctid: (*product.producer.drift([ctid]).wait(60), *product.producer.status([ctid]).wait(60)) for ctid in sample
    }
    assert {
        one.ctid: (one, standing) for one, standing in zip(drifts, standings, strict=True) if one.ctid in sample
    } == alone
    assert {one.ctid for one in drifts if one.exists is Exists.UNKNOWN} == {106, 107}
    assert {one.ctid for one in drifts if one.differs} == {103, 104, 105}


@pytest.mark.long
def test_one_that_is_being_made_by_hand_is_waited_for_and_the_others_are_not_looked_at_again(product: Product) -> None:
    product.declare({ctid: container(ctid) for ctid in (101, 103)} | {TEMPLATE: template(TEMPLATE)})
    product.start_worker()
    pve = product.simulator.pve
    stand(product, 101)
    product.simulator.do(pve.ct(101).config.update, {"lock": "create"})
    handle = product.producer.plan_all()
    wait_for(lambda: any(job.waits_for for job in LedgerView(Link(product.redis_url).look).jobs()))
    before = len(product.calls())
    product.simulator.do(pve.ct(101).config.pop, "lock")
    theirs, planned = handle.wait(timeout=60)
    assert isinstance(theirs, Failure)
    assert (theirs.ctid, theirs.cause) == (101, "not-ours")
    assert isinstance(planned, Plan)
    assert (planned.ctid, planned.outcome) == (103, "created")
    assert not [path for _, path in product.calls()[before:] if "/lxc/103/" in path]
    product.simulator.do(pve.ct(101).config.update, {"lock": "create"})
    doomed = product.producer.plan_all()
    wait_for(lambda: any(job.waits_for for job in LedgerView(Link(product.redis_url).look).jobs()))
    assert doomed.cancel().wait(timeout=60) is Cancelled.CANCELLED
    assert failure_of(doomed).cause == "cancelled"
