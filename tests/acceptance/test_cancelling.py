"""Cancelling: the whole job ends, what was half made is gone, locks pass on, and nobody else's work is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer.contract import Cancelled, ProgressKind
from phoenix_worker.durable import keeper
from phoenix_worker.durable.ledger import Ledger
from tests.acceptance.scenes import done, failure_of, in_line, waits_for_task
from tests.support.crash import ARMED, KILL_AT
from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer import Handle
    from tests.support.product import Product

FOR_EVER = 600


def cancel(handle: Handle[Any]) -> Cancelled:
    return handle.cancel().wait(timeout=60)


def is_told(handle: Handle[Any], *fate: str) -> None:
    """The requester hears that the job was cancelled, from its result and from its history, and what of it is left."""
    failure = failure_of(handle)
    assert failure.warnings == fate
    assert failure.cause == "cancelled"
    assert handle.id in failure.message
    *_, last = handle.progress(timeout=60)
    assert last.kind is ProgressKind.CANCELLED


def test_one_that_stands_in_line_ends_and_the_others_move_up(product: Product) -> None:
    product.declare({900: template(), **{ctid: container(ctid) for ctid in (100, 101, 102)}})
    product.start_worker()
    product.ensure(900)
    product.simulator.pve.ct_secs["clone"] = FOR_EVER
    first = product.producer.ensure(100)
    clone = waits_for_task(product, "vzclone")
    second = product.producer.ensure(101)
    wait_for(lambda: in_line(product, "ct/900") == 1)
    third = product.producer.ensure(102)
    wait_for(lambda: in_line(product, "ct/900") == 2)
    assert cancel(second) is Cancelled.CANCELLED
    is_told(second)
    assert in_line(product, "ct/900") == 1
    assert product.simulator.pve.aborted == []
    product.simulator.pve.ct_secs["clone"] = 0.1
    assert cancel(first) is Cancelled.CANCELLED
    is_told(first, "Nothing is left of CT 100 on pve1.")
    assert product.simulator.pve.aborted == [clone.upid]
    assert third.wait(timeout=60).outcome == "created"
    assert [product.status(ctid) for ctid in (100, 101, 102)] == ["absent", "absent", "running"]


def test_in_the_middle_of_a_clone_its_proxmox_task_is_aborted(product: Product) -> None:
    product.start_worker()
    product.ensure(900)
    product.simulator.pve.ct_secs["clone"] = FOR_EVER
    handle = product.producer.ensure(103)
    clone = waits_for_task(product, "vzclone")
    assert cancel(handle) is Cancelled.CANCELLED
    is_told(handle, "Nothing is left of CT 103 on pve1.")
    assert product.simulator.pve.aborted == [clone.upid]
    assert product.status(103) == "absent"
    assert "lock" not in product.config(900)
    assert cancel(handle) is Cancelled.OVER
    product.simulator.pve.ct_secs["clone"] = 0.1
    assert product.ensure(103).outcome == "created", "the locks are free"


def test_in_the_middle_of_a_build_that_nobody_else_needs(product: Product) -> None:
    product.simulator.pve.ct_secs["create"] = FOR_EVER
    product.start_worker()
    handle = product.producer.ensure(103)
    create = waits_for_task(product, "vzcreate")
    assert cancel(handle) is Cancelled.CANCELLED
    is_told(handle, "Nothing is left of CT 900 on pve1.")
    assert product.simulator.pve.aborted == [create.upid]
    assert [product.status(ctid) for ctid in (900, 103)] == ["absent", "absent"]


def test_what_was_made_before_the_cancel_is_removed(product: Product) -> None:
    product.start_worker()
    product.ensure(900)
    product.simulator.pve.start_secs = FOR_EVER
    handle = product.producer.ensure(103)
    starting = waits_for_task(product, "vzstart")
    assert product.status(103) != "absent"
    assert cancel(handle) is Cancelled.CANCELLED
    asked = len(product.calls())
    wait_for(lambda: any(starting.upid in path for _, path in product.calls()[asked:]))
    assert product.simulator.intervals("vzdestroy") == [], "a start is left to end by itself"
    members = [str(member) for member in product.redis.smembers(f"phoenix:job:{handle.id}:members")]
    wait_for(lambda: "sleep" in [product.redis.hget(f"phoenix:t:{member}", "on") for member in members])
    product.simulator.do(product.simulator.pve.abort, starting.upid)
    is_told(handle, "CT 103 on pve1, which was half-made, was removed.")
    assert product.simulator.pve.aborted == []
    assert product.status(103) == "absent"
    assert product.config(900)["template"] == "1"


def test_a_build_that_others_wait_for_passes_on(product: Product) -> None:
    """104 waits for 901, which is cloned from 900, and stands in no line for 900, which is being built."""
    product.declare({900: template(), 901: container(901), 103: container(103, 901), 104: container(104, 901)})
    product.simulator.pve.ct_secs["create"] = FOR_EVER
    product.start_worker()
    first = product.producer.ensure(103)
    create = waits_for_task(product, "vzcreate")
    second = product.producer.ensure(104)
    wait_for(lambda: in_line(product, "ct/901") == 1)
    assert cancel(first) is Cancelled.CANCELLED
    is_told(first, "CT 900 is incomplete and was kept, because other jobs wait for it.")
    assert product.simulator.pve.aborted == []
    wait_for(lambda: waits_for_task(product, "vzcreate").upid == create.upid)
    product.simulator.do(product.simulator.pve.hurry)
    result = second.wait(timeout=60)
    assert len(product.simulator.intervals("vzcreate")) == 1
    assert ("seal", 900) in done(result)
    assert [product.status(ctid) for ctid in (103, 104)] == ["absent", "running"]


def test_one_of_several_requesters_is_told_and_the_run_goes_on(product: Product) -> None:
    product.declare({900: template(), 103: container(103, dependencies=["104"]), 104: container(104)})
    product.start_worker()
    product.ensure(900)
    product.simulator.pve.ct_secs["clone"] = FOR_EVER
    first, second = product.producer.ensure(103), product.producer.ensure(103)
    waits_for_task(product, "vzclone")
    wait_for(lambda: product.redis.keys("phoenix:job:*:followers"))
    followers = product.redis.keys("phoenix:job:*:followers")[0]
    leader, follower = (first, second) if first.id in followers else (second, first)
    assert cancel(leader) is Cancelled.DETACHED
    is_told(leader)
    assert product.simulator.pve.aborted == []
    product.simulator.pve.ct_secs["clone"] = 0.1
    product.simulator.do(product.simulator.pve.hurry)
    told = follower.wait(timeout=60)
    assert (told.request_id, told.outcome, told.made_by) == (follower.id, "created", leader.id)
    assert (told.steps, told.changes) == ((), ()), "told by the job that made it"
    assert product.status(103) == "running"


def test_a_cancel_of_what_nobody_knows(product: Product) -> None:
    product.start_worker()
    unknown = "0c7f2b9e-5a43-4d3c-9a52-8d4a3b0f6e21"
    assert product.producer.cancel(unknown).wait(timeout=60) is Cancelled.UNKNOWN


@pytest.mark.crash
@pytest.mark.parametrize(("step", "kind", "ctid"), [("create", "vzcreate", 900), ("clone", "vzclone", 103)])
def test_what_a_dead_worker_had_ordered_is_found_and_aborted(
    product: Product, owned_keys: list[str], step: str, kind: str, ctid: int
) -> None:
    """The order was accepted, and the worker died before it could tell; the job is cancelled before another looks."""
    owned_keys += ["points", ARMED]
    product.declare({900: template(), 103: container(103)})
    product.simulator.pve.ct_secs |= {"create": 0.2, "clone": 0.2, step: FOR_EVER}
    product.redis.set(ARMED, 1)
    doomed = product.start_worker("w1", "tests.support.crashing_worker", **{KILL_AT: f"effect-done/{step}"})
    handle = product.producer.ensure(103)
    wait_for(lambda: not doomed.running())
    Ledger(product.redis, lambda _: None).cancel(handle.id, keeper.REVOKED)
    product.start_worker("w2")
    assert failure_of(handle).cause == "cancelled"
    assert product.simulator.pve.aborted == [product.simulator.intervals(kind)[-1].upid]
    assert product.status(ctid) == "absent"


@pytest.mark.long
def test_a_removal_that_takes_long_is_not_told_as_done(product: Product) -> None:
    """It was after 15 seconds, whatever became of it; so was one that had failed."""
    pve = product.simulator.pve
    product.start_worker()
    product.ensure(900)
    pve.start_secs = FOR_EVER
    for seconds, failure in ((FOR_EVER, ""), (0.1, "zfs error: dataset is busy")):
        pve.ct_secs["destroy"] = seconds
        pve.task_failures["vzdestroy"] = [failure] if failure else []
        handle = product.producer.ensure(103)
        starting = waits_for_task(product, "vzstart")
        assert cancel(handle) is Cancelled.CANCELLED
        product.simulator.do(pve.abort, starting.upid)
        what, upid = "CT 103 on pve1, which was half-made,", None
        if failure:
            (told,) = failure_of(handle).warnings
            assert told.startswith(f"{what} was not removed; the next request continues from there. Unable to destroy")
            assert failure in told
        else:
            wait_for(lambda: product.simulator.intervals("vzdestroy"))
            upid = product.simulator.intervals("vzdestroy")[-1].upid
            is_told(handle, f"{what} is being removed: task {upid} of Proxmox still runs.")
        product.simulator.do(pve.hurry)


@pytest.mark.crash
@pytest.mark.long
def test_a_removal_that_a_dead_worker_had_ordered_is_waited_for(product: Product, owned_keys: list[str]) -> None:
    owned_keys += ["points", ARMED]
    pve = product.simulator.pve
    product.redis.set(ARMED, 1)
    doomed = product.start_worker("w1", "tests.support.crashing_worker", **{KILL_AT: "effect-done/removal"})
    product.ensure(900)
    pve.start_secs = FOR_EVER
    handle = product.producer.ensure(103)
    starting = waits_for_task(product, "vzstart")
    pve.ct_secs["destroy"] = FOR_EVER
    assert cancel(handle) is Cancelled.CANCELLED
    product.simulator.do(pve.abort, starting.upid)
    wait_for(lambda: not doomed.running())
    (removal,) = product.simulator.intervals("vzdestroy")
    asked = len(product.calls())
    product.start_worker("w2")
    wait_for(lambda: any(removal.upid in path for _, path in product.calls()[asked:]))
    product.simulator.do(pve.hurry)
    is_told(handle, "CT 103 on pve1, which was half-made, was removed.")
    assert product.simulator.intervals("vzdestroy") == [removal]
    assert product.status(103) == "absent"


def test_a_conversion_ends_by_itself_and_the_template_stays(product: Product) -> None:
    product.simulator.pve.ct_secs["template"] = FOR_EVER
    product.start_worker()
    handle = product.producer.ensure(103)
    wait_for(lambda: product.simulator.intervals("vztemplate"))
    assert cancel(handle) is Cancelled.CANCELLED
    is_told(handle)
    assert product.simulator.pve.aborted == []
    product.simulator.do(product.simulator.pve.hurry)
    wait_for(lambda: product.config(900).get("template"))
    assert product.ensure(103).templates_built == ()
