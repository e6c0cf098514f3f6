"""Failure spreads by cause, and no further: to those who wait for a build that fails, and to nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.scenes import done, failure_of
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product

LONG = 600.0


def waiting_for(product: Product, ctid: int) -> int:
    """How many wait for a lane."""
    return int(product.redis.zcount(f"phoenix:lock:ct/{ctid}", "(0", "+inf"))


def no_lock_is_held(product: Product) -> bool:
    return not list(product.redis.scan_iter("phoenix:lock:*"))


def under_way(product: Product, made: int) -> str:
    """Wait until a CTID is being made, and its task is waited for."""
    intervals = product.simulator.intervals
    upid = wait_for(lambda: next((one.upid for one in intervals() if one.made == made and one.end is None), ""))
    wait_for(lambda: product.redis.zscore("phoenix:watch", f"upid/{upid}"))
    return upid


def creates_of(product: Product, ctid: int) -> int:
    return sum(one.made == ctid for one in product.simulator.intervals())


def test_a_build_that_fails_fails_those_who_wait_for_it_at_once_and_nobody_else(product: Product) -> None:
    """103 builds 901 and its template 900; 104 waits for 901, 105 for 900, 106 for itself alone."""
    clones = {103: container(103, 901), 104: container(104, 901), 105: container(105, 900)}
    alone = {106: container(106, None, template=OS_TEMPLATE)}
    product.declare({900: template(), 901: container(901, 900), **clones, **alone})
    pve = product.simulator.pve
    pve.ct_secs["create"] = LONG
    product.start_worker()
    handles = {103: product.producer.ensure(103)}
    upid = under_way(product, 900)
    handles |= {ctid: product.producer.ensure(ctid) for ctid in (104, 105, 106)}
    wait_for(lambda: (waiting_for(product, 901), waiting_for(product, 900)) == (1, 1))
    under_way(product, 106)
    product.simulator.do(pve.abort, upid)
    failures = {ctid: failure_of(handles[ctid]) for ctid in clones}
    assert {failure.cause for failure in failures.values()} == {"aborted"}
    assert {failure.message for failure in failures.values()} == {failures[103].message}
    assert failures[103].message.startswith("Unable to create CT 900 on pve1")
    assert {ctid: failure.ctid for ctid, failure in failures.items()} == {ctid: ctid for ctid in clones}
    assert creates_of(product, 900) == 1, "those who waited did not try in their turn"
    assert not handles[106].done()
    product.simulator.do(pve.hurry)
    assert handles[106].wait(timeout=60).outcome == "created"
    wait_for(lambda: no_lock_is_held(product))

    again = {103: product.producer.ensure(103)}
    under_way(product, 900)
    again |= {ctid: product.producer.ensure(ctid) for ctid in (104, 105)}
    product.simulator.do(pve.hurry)  # not before all are asked for: what was there by then is not built for them
    results = {ctid: handle.wait(timeout=60) for ctid, handle in again.items()}
    assert {str(result.outcome) for result in results.values()} == {"created"}
    assert {ctid: result.templates_built for ctid, result in results.items()} == {
        103: (900, 901),
        104: (900, 901),
        105: (900,),
    }
    steps = [step for result in results.values() for step in done(result)]
    assert steps.count(("create", 900)) == 1, "nothing was left of the first attempt"
    assert steps.count(("clone", 901)) == 1
    wait_for(lambda: no_lock_is_held(product))


def test_what_a_failed_build_left_is_taken_on_by_the_next_request(product: Product) -> None:
    product.declare({900: template(), 103: container(103), 104: container(104)})
    pve = product.simulator.pve
    pve.ct_secs["create"] = LONG
    pve.task_failures["vztemplate"].append("unable to create base volume: no such thin pool")
    product.start_worker()
    handles = [product.producer.ensure(103)]
    under_way(product, 900)
    handles.append(product.producer.ensure(104))
    wait_for(lambda: waiting_for(product, 900) == 1)
    product.simulator.do(pve.hurry)
    failures = [failure_of(handle) for handle in handles]
    assert failures[0].message == failures[1].message
    assert "no such thin pool" in failures[0].message
    assert [[(step.name, step.ctid) for step in failure.steps] for failure in failures] == [[("create", 900)], []]
    kept = "CT 900 was made and stays as it is; the next request continues from there."
    assert [failure.warnings for failure in failures] == [(kept,), ()]
    wait_for(lambda: no_lock_is_held(product))

    result = product.ensure(104)
    assert done(result) == [("seal", 900), ("clone", 104), ("configure", 104), ("start", 104)], "adopted, not made anew"
    assert (result.outcome, result.templates_built) == ("created", (900,))
    assert creates_of(product, 900) == 1


def test_an_error_of_its_own_fails_one_container_alone(product: Product) -> None:
    """103 builds the template that 104 and 105 wait for, and fails as a clone; so does 104, in another way."""
    product.declare({900: template(features=["a"]), **{ctid: container(ctid) for ctid in (103, 104, 105)}})
    pve = product.simulator.pve
    pve.ct_secs["create"] = LONG
    pve.task_failures["vzclone"].append("clone failed: no such file")
    product.simulator.do(pve.fail, "PUT", "/104/config", 400, "Parameter verification failed.")
    product.start_worker()
    handles = {103: product.producer.ensure(103, accept_not_applied=True)}
    under_way(product, 900)
    for others, ctid in enumerate((104, 105), 1):
        handles[ctid] = product.producer.ensure(ctid)
        wait_for(lambda others=others: waiting_for(product, 900) == others)  # type: ignore[misc]  # mypy: a default
    product.simulator.do(pve.hurry)
    failure = failure_of(handles[103])
    assert "no such file" in failure.message
    assert failure.templates_built == tuple(failure.templates_not_applied) == (900,)
    assert failure_of(handles[104]).cause == "bad-parameter"
    assert handles[105].wait(timeout=60).outcome == "created"
    wait_for(lambda: no_lock_is_held(product))

    product.simulator.do(pve.failures.clear)
    steps = {ctid: done(product.ensure(ctid)) for ctid in (103, 104)}
    assert steps[103] == [("clone", 103), ("configure", 103), ("start", 103)], "Proxmox had removed it"
    assert steps[104] == [("configure", 104), ("start", 104)], "its clone is taken on"
    assert [creates_of(product, ctid) for ctid in (900, 103, 104, 105)] == [1, 2, 1, 1]


def test_a_template_that_was_asked_for_by_itself_tells_those_who_wait_for_it(product: Product) -> None:
    """A request for 900 builds it; 103 waits for it as its clone, and another request for 900 for its own turn."""
    product.declare({900: template(), 103: container(103)})
    pve = product.simulator.pve
    pve.ct_secs["create"] = LONG
    product.start_worker()
    builder = product.producer.ensure(900)
    upid = under_way(product, 900)
    clone = product.producer.ensure(103)
    wait_for(lambda: waiting_for(product, 900) == 1)
    second = product.producer.ensure(900)
    wait_for(lambda: waiting_for(product, 900) == 2)
    pve.ct_secs["create"] = 0.05
    product.simulator.do(pve.abort, upid)
    assert failure_of(clone).message == failure_of(builder).message
    assert second.wait(timeout=60).outcome == "created", "a request tries by itself"
    assert creates_of(product, 900) == 2
    wait_for(lambda: no_lock_is_held(product))
