"""Many ask for the same at once: it is made once, each is told, and nobody stands in anybody's way."""

from __future__ import annotations

import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery

from phoenix_producer import EnsureFailed
from phoenix_producer.contract import QUEUE, EnsureResult
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product

REQUESTS = 1000
LONG = 600.0
MADE = ["clone", "configure", "start"]
BUILT = [(900, "create"), (900, "seal"), (901, "clone"), (901, "configure"), (901, "seal")]


@pytest.mark.long
def test_a_thousand_ensures_of_one_container_are_one_clone(product: Product) -> None:
    product.declare({900: template(), 103: container(103), 104: container(104, None, template=OS_TEMPLATE)})
    product.simulator.add_template(900)
    pve = product.simulator.pve
    pve.ct_secs["clone"] = LONG
    product.start_worker()
    with ThreadPoolExecutor(4) as requesters:
        handles = list(requesters.map(product.producer.ensure, [103] * REQUESTS))
    wait_for(lambda: product.simulator.intervals("vzclone"))
    assert product.ensure(104).outcome == "created", "no slot is held meanwhile"
    assert not any(one.end for one in product.simulator.intervals("vzclone"))
    parked = ("parked", "replaced")
    wait_for(lambda: all(product.redis.hget(f"phoenix:t:{handle.id}", "state") in parked for handle in handles))
    assert not any(product.redis.scard(key) for key in product.redis.scan_iter("phoenix:runs:*"))

    product.simulator.do(pve.hurry)
    results = [handle.wait(timeout=120) for handle in handles]
    assert [result.request_id for result in results] == [handle.id for handle in handles]
    outcomes = Counter(str(result.outcome) for result in results)
    assert outcomes.keys() <= {"created", "unchanged"}
    assert outcomes["created"] >= 1
    assert len(product.simulator.intervals("vzclone")) == 1
    looks = product.calls().count(("GET", f"/nodes/{NODE}/lxc/103/config"))
    assert looks < 10, "they share the looks of one or two"
    assert len([one for one in product.simulator.intervals("vzstart") if one.guest == "103"]) == 1
    wait_for(lambda: not list(product.redis.scan_iter("phoenix:lock:*")))


def sent_with(product: Product, **callbacks: tuple[str, int]) -> str:
    """Send an ensure of 103 that has callbacks of its own, and wait until it waits; returns its id."""
    with Celery(broker=product.redis_url, backend=product.redis_url) as client:
        made: dict[str, Any] = {
            kind: client.signature(task, args=[ctid], immutable=True) for kind, (task, ctid) in callbacks.items()
        }
        sent = client.send_task("phoenix.ensure", [103], queue=QUEUE, **made)
    wait_for(lambda: product.redis.hget(f"phoenix:t:{sent.id}", "state") == "parked")
    return str(sent.id)


def test_one_that_shares_a_failed_run_has_its_own_errback_run(product: Product) -> None:
    """104 is asked for by the errback of the third; it would not be, were the third just given the second's answer."""
    product.declare({900: template(), 103: container(103), 104: container(104, None, template=OS_TEMPLATE)})
    product.simulator.add_template(900)
    pve = product.simulator.pve
    pve.ct_secs["clone"] = LONG
    pve.task_failures["vzclone"] += ["no space left on device"] * 3
    product.start_worker()
    first = product.producer.ensure(103)
    wait_for(lambda: product.simulator.intervals("vzclone"))
    second = product.producer.ensure(103)
    wait_for(lambda: product.redis.hget(f"phoenix:t:{second.id}", "state") == "parked")
    sent_with(product, link_error=("phoenix.ensure", 104))
    pve.ct_secs["clone"] = 0.1
    product.simulator.do(pve.hurry)
    for handle in (first, second):
        with pytest.raises(EnsureFailed):
            handle.wait(timeout=60)
    wait_for(lambda: product.status(104) == "running", timeout=60)


def test_one_that_shares_a_run_and_has_a_callback_is_told_who_made_it(product: Product) -> None:
    """Its callback makes it run again; it waits with the leader for 104, on which 103 depends."""
    product.declare({900: template(), 103: container(103, dependencies=["104"]), 104: container(104)})
    product.simulator.add_template(900)
    pve = product.simulator.pve
    pve.ct_secs["clone"] = LONG
    product.start_worker()
    leader = product.producer.ensure(103)
    wait_for(lambda: product.simulator.intervals("vzclone"))
    second = sent_with(product, link=("phoenix.plan", 103))
    pve.ct_secs["clone"] = 0.1
    product.simulator.do(pve.hurry)
    assert leader.wait(timeout=60).steps
    told = json.loads(str(wait_for(lambda: product.redis.get(f"celery-task-meta-{second}"))))["result"]
    facts = [told[name] for name in ("request_id", "outcome", "made_by", "steps", "changes")]
    assert facts == [second, "created", leader.id, [], []]


def test_all_at_once_are_told_the_same_whoever_made_what(product: Product) -> None:
    """103 depends on 104, which is requested too; 105 and 106 share a template that one of them builds."""
    product.declare(
        {
            900: template(),
            901: container(901, 900),
            104: container(104),
            103: container(103, dependencies=["104"]),
            105: container(105, 901),
            106: container(106, 901),
        }
    )
    product.start_worker()
    results = product.producer.ensure_many([103, 104, 105, 106]).wait(timeout=120)
    assert [one.outcome for one in results] == ["created"] * 4
    assert [one.templates_built for one in results] == [(900,), (900,), (900, 901), (900, 901)]
    ids = {one.request_id for one in results}
    makers = {one.made_by for one in results if one.made_by is not None}
    assert not makers & {one.request_id for one in results if one.made_by is not None}
    assert all(one.made_by is None or one.made_by not in ids or one.steps == () for one in results)
    again = product.producer.ensure_many([103, 104, 105, 106]).wait(timeout=60)
    assert [(one.outcome, one.made_by, one.templates_built) for one in again] == [("unchanged", None, ())] * 4


MAC = re.compile(r"hwaddr=[0-9A-F:]{17}")
ORDERS = ([103, 104, 105, 106, 107], [107, 106, 105, 104, 103])


@pytest.mark.long
def test_twice_from_an_empty_node_is_the_same_but_for_what_the_documents_name(product: Product) -> None:
    """104 and 105 are dependencies, and requested too; 105 and 106 share a template that one of them builds."""
    macless = {ctid: container(ctid, 901 if ctid == 105 else 900) for ctid in (105, 107)}
    for entry in macless.values():
        del entry["mac_address"]
    product.declare(
        {
            900: template(),
            901: container(901, 900),
            104: container(104, node="any"),
            103: container(103, dependencies=["104"]),
            105: macless[105],
            106: container(106, 901),
            107: macless[107] | {"dependencies": ["105", "106"]},
        }
    )
    product.start_worker()
    runs = []
    for order in (*ORDERS, *ORDERS):
        handles = [product.producer.ensure(order[0])]
        if order[0] == 103:
            wait_for(lambda: product.status(104) != "absent")  # made for 103: its own request comes too late for that
        handles += product.producer.ensure_many(order[1:])
        results = [handle.wait(timeout=120) for handle in handles]
        runs.append(sorted(results, key=lambda one: one.ctid))
        gone = product.producer.destroy_many([*order, 901, 900]).wait(timeout=120)
        assert {one.outcome for one in gone} == {"destroyed"}
    assert [(bool(run[1].made_by), bool(run[1].placed)) for run in runs[::2]] == [(True, True)] * 2, "104"
    first, *others = (list(map(_comparable, run)) for run in runs)
    for other in others:
        assert other == first
    for run in runs:
        for one in run:
            assert not (one.made_by and (one.steps or one.changes)), "told by the job that made it"
            assert one.made_by or [step.name for step in one.steps if step.ctid == one.ctid] == MADE, one
        for one, earlier in zip(run, runs[0], strict=True):
            told = [MAC.sub("", str(done.changes)) for done in (one, earlier) if not done.made_by]
            assert len(set(told)) <= 1, "as it is told in each run, but for the MAC that Proxmox has generated"
        built = [(step.ctid, step.name) for one in run for step in one.steps if step.ctid in (900, 901)]
        assert Counter(built) <= Counter(BUILT), "once, by one of them or by the job of a dependency"


def _comparable(result: EnsureResult) -> dict[str, Any]:
    """All but what differs each time: ids, and which of the jobs that met did the work."""
    told = result.model_dump(mode="json")
    assert set(told) == set(EnsureResult.model_fields)
    for name in ("request_id", "made_by", "steps", "changes"):
        del told[name]
    return told
