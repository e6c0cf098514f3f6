"""Keys that were deleted, evicted or expired: all others end, and so does what lost them, or it is shown."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.contract import RESUME_QUEUE
from phoenix_worker.durable.keeper import LOST_STEP
from phoenix_worker.durable.run import Run
from tests.integration.test_ledger_leaves_nothing import COUNTERS, DOES, WHY, child_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from tests.support.still_ledger import StillLedger

LOOKS = 8
"""Of a worker, a minute and more after each other, within which all comes to rest."""
ALWAYS = {"holds locks", "waits for a remote job", "reserves"}
"""The rest is for the long tier."""
JOBS = ("request", "waiting", "other", "owner", "leader")


def begin(still: StillLedger, does: str) -> None:
    """Ask for something with a step that does this, for something that waits for its lock, and for something else."""
    still.client.flushall()
    still.at(0.0)
    request, run = still.taken("request"), still.taken("run", job="request")
    still.hold(request, "ct/101")
    still.say("replace", request, "step", 0, child_of(request))
    still.hold(still.taken("waiting"), "ct/101")
    DOES[does](still, run)
    still.asked("other")
    still.rung.clear()


class LastWorker:
    """It lives when all others have died, and does what there is to do."""

    def __init__(self, still: StillLedger) -> None:
        self._still, self._at = still, count(70.0, 70.0)
        self._witness: tuple[str, ...] = ("",)

    def work(self) -> None:
        """Let time go on until all has come to rest."""
        still = self._still
        for _ in range(LOOKS):
            still.at(next(self._at))
            for event in ("upid/x", "template/900"):
                still.resolve(event, "OK")
            still.tick("last", *self._witness)
            self._witness = (still.clock, "70", "0")
            still.call("reconcile", RESUME_QUEUE, 0, 0, 100, json.dumps(LOST_STEP))
            given, still.rung = still.rung, []
            for task_id in given:
                run = still.claim(task_id, int(still.field(task_id, "gen") or 0), "last", lambda: "")
                if isinstance(run, Run):
                    self._end(run)

    def _end(self, run: Run) -> None:
        """End a task: a chain with its failure, since no other link of it comes."""
        if run.id == "waiting" and self._still.hold(run, "ct/101") != "held":
            return
        if run.fail or run.id in {"step", "child"}:
            self._still.finish(run, "failed", WHY)
        else:
            self._still.finish(run, "ok", None)


@pytest.mark.parametrize("does", [one if one in ALWAYS else pytest.param(one, marks=pytest.mark.long) for one in DOES])
def test_whatever_key_is_deleted_all_comes_to_rest(does: str, still: StillLedger, redis_client: Redis) -> None:
    begin(still, does)
    for key in sorted(still.everything()):
        begin(still, does)
        redis_client.delete(f"phoenix:{key}")
        last = LastWorker(still)
        last.work()
        ended = {job: still.client.hget(f"phoenix:job:{job}", "state") for job in JOBS}
        shown = set(map(str, redis_client.zrange("phoenix:aside", 0, -1)))
        stopped = shown | {str(redis_client.hget(f"phoenix:t:{task}", "job")) for task in shown}
        behind = {"waiting"} if "request" in stopped else set()  # what is set aside keeps its locks
        assert {job for job, state in ended.items() if state == "open"} <= stopped | behind, key
        for job in shown:
            still.cancel(job, WHY)
        last.work()
        ended = {job: still.client.hget(f"phoenix:job:{job}", "state") for job in ("waiting", "other")}
        for job, state in ended.items():
            assert state == ("cancelled" if key == f"t:{job}" else "done"), (key, job)
        unnamed = {"t:run"} if key == "job:request:members" else set()  # a step that nothing names any more
        assert still.lasting() <= COUNTERS | unnamed, key


def compare(still: StillLedger) -> None:
    still.call("reconcile", RESUME_QUEUE, 0, 0, 100, json.dumps(LOST_STEP))


def ended(still: StillLedger) -> dict[str, str | None]:
    """How the jobs stand of one that lost its step, and of one that waits for its lock."""
    return {job: str(still.client.hget(f"phoenix:job:{job}", "state")) for job in ("request", "waiting")}


def died(still: StillLedger) -> None:
    still.at(70.0)
    still.tick("last", still.clock, "0", "0")


@pytest.mark.parametrize("first", ["tick", "hold", "finish"])
@pytest.mark.parametrize("again", [False, True])
def test_a_lock_that_is_lost_with_the_list_of_jobs_has_one_owner(first: str, again: bool, still: StillLedger) -> None:
    """Redis evicts many keys at once. Whoever came next had it beside its owner, and who waited for it was lost."""
    owner, waiting = still.taken("owner"), still.taken("waiting")
    assert [still.hold(run, "ct/101") for run in (owner, waiting)] == ["held", "parked"]
    still.client.delete("phoenix:open", "phoenix:lock:ct/101")
    if again:
        still.taken("other")  # by whom the list begins again
    if first == "tick":
        still.tick()
    elif first == "hold":
        assert still.hold(still.taken("next"), "ct/101") == "parked"
    still.rung.clear()
    still.finish(owner, "ok", None)
    assert still.rung == ["waiting"]


def test_jobs_whose_list_is_lost_are_listed_again(still: StillLedger) -> None:
    still.wait(still.taken("parked"), "template/900")
    still.client.delete("phoenix:open")
    compare(still)
    assert still.client.zrange("phoenix:open", 0, -1) == ["parked"]


AT_WORK: dict[str, tuple[Callable[[StillLedger, Run], object], Callable[[StillLedger], object]]] = {
    "a worker runs it": (
        lambda still, run: still.say("journal", run, "", "step", "1", ""),
        lambda still: still.call("disown", "step", "/", "w1", 0),
    ),
    "its worker died": (lambda still, run: still.say("journal", run, "", "step", "1", ""), died),
    "Proxmox is at work": (
        lambda still, run: still.wait(run, "upid/x", '{"class":"c"}', 9),
        lambda still: still.resolve("upid/x", "OK"),
    ),
}
"""What is done for a step when its record is lost, and how that ends."""


@pytest.mark.parametrize("at_work", AT_WORK)
@pytest.mark.parametrize("deeper", [False, True])
def test_a_job_whose_step_is_lost_ends_once_nobody_is_at_work_on_it(
    at_work: str, deeper: bool, still: StillLedger, redis_client: Redis
) -> None:
    """Its locks pass on, those of a step that had something built first too; who waits for them fails for no reason."""
    begin, end = AT_WORK[at_work]
    still.at(0.0)
    request = still.taken("request")
    still.hold(request, "ct/101")
    assert still.say("settle", request, "", "101", '"pve1"', "{}", 0) == "settled"
    still.say("replace", request, "clone" if deeper else "step", 0, child_of(request))
    if deeper:
        clone = still.again("clone")
        still.hold(clone, "ct/900")
        still.say("replace", clone, "step", 0, child_of(request))
    waiting = still.taken("waiting")
    assert still.hold(waiting, "ct/900" if deeper else "ct/101") == "parked"
    begin(still, still.again("step"))
    redis_client.delete("phoenix:t:step", "phoenix:j:step")
    compare(still)
    assert ended(still) == {"request": "open", "waiting": "open"}
    assert still.field("request", "state") == "replaced", "it may still be changed in Proxmox"
    assert not redis_client.exists("phoenix:aside")
    still.rung.clear()
    end(still)
    compare(still)
    assert not redis_client.exists("phoenix:reservations")
    assert redis_client.exists("phoenix:replaced"), "orders are looked for before they are sent"
    run = still.again("request", "last")
    assert json.loads(run.fail) == LOST_STEP
    assert still.finish(run, "failed", run.fail) is not None
    waiting = still.again("waiting", "last")
    assert waiting.fail == ""
    assert still.hold(waiting, "ct/900" if deeper else "ct/101") == "held"
    still.finish(waiting, "ok", None)
    assert ended(still) == {"request": "failed", "waiting": "done"}
    compare(still)
    assert still.lasting() <= COUNTERS
    assert set(still.rung) == {"request", "waiting"}
