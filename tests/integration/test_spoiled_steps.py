"""A step, a line or a shared run that others have spoiled: the rest of its job, and all others, end as they would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ResponseError

from phoenix_producer.contract import QUEUE, RESUME_QUEUE
from phoenix_worker.durable.ledger import ASIDE
from tests.integration.test_ledger_leaves_nothing import child_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_worker.durable.run import Run
    from tests.support.still_ledger import StillLedger

WHY = {"message": "It was cancelled.", "cause": "cancelled", "remedy": ""}

SPOILED: dict[str, Callable[[StillLedger], object]] = {
    "no record": lambda still: (still.client.delete("phoenix:t:bad"), still.client.set("phoenix:t:bad", "x")),
    "no time": lambda still: still.client.hset("phoenix:t:bad", "parked", "x"),
    "somebody else's list": lambda still: still.client.hset("phoenix:t:bad", "queue", "celery"),
    "no event": lambda still: still.client.hset("phoenix:t:bad", "on", "ev:upid/spoiled"),
}


def with_bad_step(still: StillLedger) -> tuple[Run, Run]:
    """A job that shares out its work among steps that are parked, the first of them with a lock."""
    request, bad, good = (still.taken(name, job="request") for name in ("request", "bad", "good"))
    still.hold(bad, "lane")
    for run in (bad, good):
        still.wait(run, f"template/{run.id}")
    still.client.set("phoenix:ev:upid/spoiled:w", "x")
    return request, good


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_step_that_is_spoiled_does_not_keep_its_job_from_failing(spoiled: str, still: StillLedger) -> None:
    request, good = with_bad_step(still)
    SPOILED[spoiled](still)
    assert still.finish(request, "failed", WHY) is not None
    assert still.client.hget("phoenix:job:request", "state") == "failed"
    assert still.field(good.id, "state") == "done"
    assert still.claim("bad", 0, "w1", lambda: "") in {"done", "generation unknown"}, "its message is a duplicate"
    assert still.hold(still.taken("next"), "lane") == "held"


def test_a_request_that_is_spoiled_does_not_keep_its_job_from_failing(still: StillLedger) -> None:
    _, step = still.taken("request"), still.taken("step", job="request")
    still.client.delete("phoenix:t:request")
    still.client.set("phoenix:t:request", "x")
    assert still.finish(step, "failed", WHY) is not None
    assert (still.client.hget("phoenix:job:request", "state"), still.field("request", "state")) == ("failed", "done")


def test_a_job_that_lost_its_step_ends_though_another_of_its_steps_is_spoiled(still: StillLedger) -> None:
    request, spoiled = still.taken("request"), still.taken("spoiled", job="request")
    still.hold(spoiled, "lane")
    still.say("replace", request, "step", 0, child_of(request))
    still.client.delete("phoenix:t:step", "phoenix:t:spoiled")
    still.client.set("phoenix:t:spoiled", "x")
    still.call("reconcile", RESUME_QUEUE, 0, 0, 100, "why")
    assert (still.field("request", "state"), still.field("request", "fail")) == ("queued", "why")
    assert still.hold(still.taken("next"), "lane") == "held"


def test_a_failure_ends_its_request_though_the_list_of_steps_is_gone(still: StillLedger) -> None:
    """What the request holds passes on."""
    request = still.taken("request")
    still.hold(request, "ct/101")
    still.say("replace", request, "child", 0, child_of(request))
    child = still.again("child")
    still.client.delete("phoenix:job:request:members")
    assert still.finish(child, "failed", WHY) is not None
    assert still.hold(still.taken("next"), "ct/101") == "held"


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_step_that_is_spoiled_does_not_keep_the_others_from_hearing_of_a_cancel(
    spoiled: str, still: StillLedger
) -> None:
    """Who shared the run was the last that wanted it."""
    request, good = with_bad_step(still)
    follower = still.taken("follower")
    for run in (request, follower):
        still.say("join", run, "", "ensure 101", "1", "shared")
    assert still.cancel("request", WHY) == ("detached", "request")
    SPOILED[spoiled](still)
    assert still.cancel("follower", WHY)[0] == "detached"
    assert still.finish(still.again("follower"), "cancelled", WHY) is not None
    assert still.field(good.id, "state") == "queued"
    assert good.id in still.rung


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_run_that_is_spoiled_does_not_keep_a_worker_from_handing_over_the_others(
    spoiled: str, still: StillLedger
) -> None:
    _, good = still.taken("bad"), still.taken("good")
    SPOILED[spoiled](still)
    still.call("farewell", "w1", 6.0)
    assert still.due_in(good.id) == 0.0
    assert not still.client.exists("phoenix:runs:w1")


def test_a_cancel_ends_what_still_runs_of_a_request_that_is_spoiled(still: StillLedger) -> None:
    _, step = still.taken("request"), still.taken("step", job="request")
    still.client.delete("phoenix:t:request")
    still.client.set("phoenix:t:request", "x")
    assert still.cancel("request", WHY) == (ASIDE, "request")
    assert (still.field("step", "state"), still.say("journal", step, "", "clone", "1", "")) == ("done", "stale")


def test_a_cancel_is_heard_where_the_journal_is_spoiled(still: StillLedger) -> None:
    still.wait(still.taken("request"), "template/900")
    still.client.rpush("phoenix:j:request", "x")
    assert still.cancel("request", WHY) == ("cancelled", "request")
    assert still.again("request").fail


@pytest.mark.parametrize("first", ["resolve", "wait", "finish", "unwatch"])
def test_those_who_wait_for_an_event_whose_list_is_spoiled_are_looked_at(first: str, still: StillLedger) -> None:
    waiting, other = still.taken("waiting"), still.taken("other")
    still.wait(waiting, "upid/x", '{"class":"c"}')
    still.client.delete("phoenix:ev:upid/x:w")
    still.client.lpush("phoenix:ev:upid/x:w", "x")
    if first == "wait":
        assert still.wait(other, "upid/x") == "parked"
    elif first == "finish":
        still.cancel("waiting", WHY)
    elif first == "unwatch":
        still.call("unwatch", "upid/x", "why")
    if first != "finish":
        still.resolve("upid/x", "OK")
        still.call("reconcile", RESUME_QUEUE, 0, 0, 100)
        still.tick()
    assert "waiting" in still.rung
    assert not still.client.exists("phoenix:aside", "phoenix:ev:upid/x:w")


def test_what_others_wrote_in_place_of_a_shared_run_keeps_no_one_from_looking(still: StillLedger) -> None:
    leader = still.taken("leader")
    still.say("join", leader, "", "ensure 101", "1", "shared")
    still.client.delete("phoenix:flight:ensure 101")
    still.client.lpush("phoenix:flight:ensure 101", "x")
    assert still.say("hold", leader, "", RESUME_QUEUE, "ct/101", 1, "1") == "held"


def test_who_shares_a_run_whose_followers_are_spoiled_ends_all_the_same(still: StillLedger) -> None:
    """Before and after it came: either is another request."""
    leader, early, late = (still.taken(name) for name in ("leader", "early", "late"))
    for run in (leader, early):
        still.say("join", run, "", "ensure 101", "1", "")
    still.client.delete("phoenix:job:leader:followers")
    still.client.rpush("phoenix:job:leader:followers", "x")
    still.cancel("early", WHY)
    assert still.finish(still.again("early"), "cancelled", WHY) is not None
    still.client.delete("phoenix:job:leader:followers")
    still.client.rpush("phoenix:job:leader:followers", "x")
    assert still.say("join", late, "", "ensure 101", "1", "") == "parked"


@pytest.mark.parametrize("record", [{}, {"follows": "leader"}])
def test_who_leads_a_shared_run_does_not_wait_for_itself(record: dict[Any, Any], still: StillLedger) -> None:
    """Nobody would end it, nor its cancel: it was wanted by who shares it."""
    leader = still.taken("leader")
    assert still.say("join", leader, "", "ensure 101", "1", "") == "lead"
    still.client.hdel("phoenix:t:leader", "flight")
    still.client.hset("phoenix:t:leader", mapping={"name": "phoenix.ensure"} | record)
    assert still.say("join", leader, "", "ensure 101", "1", "") == "lead"
    assert still.finish(leader, "ok", None) is not None
    assert not still.client.exists("phoenix:flight:ensure 101", "phoenix:job:leader:followers")


def test_records_that_are_gone_are_not_looked_for_in_every_lock(still: StillLedger) -> None:
    """A Redis that evicts loses thousands of records, and is looked through while it stands still."""
    several = range(20)
    owners = [still.taken(f"owner-{one}") for one in several]
    for one, owner in enumerate(owners):
        still.hold(owner, f"ct/{one}")
        still.hold(still.taken(f"lost-{one}"), f"ct/{one}")
    still.client.delete(*(f"phoenix:t:lost-{one}" for one in several))
    still.client.config_resetstat()
    still.call("reconcile", RESUME_QUEUE, 0, 0, 100)
    calls = {name: told["calls"] for name, told in still.client.info("commandstats").items()}
    assert calls["cmdstat_zrem"] <= 5 * len(several)
    for owner in owners:
        still.finish(owner, "ok", None)
    assert not list(still.client.scan_iter("phoenix:lock:*"))


PARTS = (*(f"job:request{part}" for part in (":members", ":log", ":steps", ":followers", ":answer")), "j:child")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("first", ["claim", "reconcile"])
def test_what_a_job_has_beside_its_records_is_missed_by_nobody(part: str, first: str, still: StillLedger) -> None:
    """Spoiled, it failed each claim: Celery told the requester so, and the locks of the job were never given back."""
    request = still.taken("request")
    still.hold(request, "ct/101")
    still.say("replace", request, "child", 0, child_of(request))
    still.wait(still.again("child"), "upid/x", '{"class":"c"}')
    still.client.delete(f"phoenix:{part}")
    still.client.set(f"phoenix:{part}", "x")
    if first == "reconcile":
        still.call("reconcile", RESUME_QUEUE, 0, 0, 100, '"lost"')
    still.resolve("upid/x", "OK")
    assert still.finish(still.again("child"), "failed", WHY) is not None
    assert still.client.hget("phoenix:job:request", "state") == "failed"
    assert still.hold(still.taken("next"), "ct/101") == "held"
    assert not still.client.exists("phoenix:aside")


@pytest.mark.parametrize(
    ("field", "value", "why"), [("run", "x", "hash value is not an integer"), ("v", "1e400", "is not a number")]
)
def test_what_cannot_be_claimed_is_tried_again_and_at_last_set_aside(
    field: str, value: str, why: str, still: StillLedger
) -> None:
    """Celery answered its requester, and the ledger did not hear of it."""
    still.asked("bad")
    still.client.hset("phoenix:t:bad", field, value)
    for later in range(2, 10, 2):
        assert why in str(still.claim("bad", 0, "w1", lambda: ""))
        assert isinstance(still.claim("bad", 0, "w1", lambda: ""), str), "a duplicate changes nothing"
        assert (still.field("bad", "state"), still.due_in("bad")) == ("parked", float(later))
        assert still.field("bad", "idle") == f"{later // 2}"
        still.at(later)
        still.tick()
    assert why in str(still.claim("bad", 0, "w1", lambda: ""))
    assert why in str(still.field("bad", "aside"))
    assert not still.client.exists("phoenix:due", "phoenix:runs:w1")
    assert isinstance(still.claim("bad", 0, "w1", lambda: ""), str)
    assert still.cancel("bad", WHY) == (ASIDE, "bad")


def test_what_cannot_be_claimed_for_want_of_what_all_share_is_claimed_a_moment_later(still: StillLedger) -> None:
    still.asked("good")
    still.client.hset("phoenix:claimed", QUEUE, "x")
    for state in ("parked", "running"):
        still.claim("good", 0, "w1", lambda: "")
        assert still.field("good", "state") == state
        still.at(2.0)
        still.tick()


def test_an_end_that_redis_refuses_is_told_again_and_at_last_set_aside(still: StillLedger) -> None:
    """It was run again for ever, and held its locks: Celery loses what its code raises at the end of a run."""
    run = still.taken("bad")
    still.hold(run, "ct/101")
    refused = ResponseError("no end")
    for later in range(2, 10, 2):
        assert still.refuse("bad", run.number.partition("/")[2], refused) == "later"
        assert still.refuse("bad", run.number.partition("/")[2], refused) == "stale", "it is another's by now"
        still.at(later)
        still.tick()
        run = still.again("bad")
    assert still.refuse("bad", run.number.partition("/")[2], refused) == "aside"
    assert still.refuse("none", "", refused) == "unknown"
    assert still.cancel("bad", WHY) == (ASIDE, "bad")
    assert still.hold(still.taken("next"), "ct/101") == "held"


def test_a_cancel_ends_a_run_that_cannot_go_on_and_who_shared_it_has_its_own(still: StillLedger) -> None:
    """It was left to those who shared it, who waited for it."""
    leader, follower, gone = (still.taken(name) for name in ("leader", "follower", "gone"))
    for run in (leader, follower, gone):
        still.say("join", run, "", "ensure 101", "1", "")
    still.cancel("gone", WHY)
    still.call("set_aside", "leader", "why")
    still.rung.clear()
    assert still.cancel("leader", WHY) == (ASIDE, "leader")
    assert still.rung == ["follower"]
    assert still.say("join", still.again("follower"), "", "ensure 101", "1", "") == "lead"
    assert not still.client.exists("phoenix:aside")


@pytest.mark.parametrize("other", ["x", "", "spoiled"])
def test_a_cancel_ends_a_job_whose_record_names_another(other: str, still: StillLedger) -> None:
    """It was said to be over, and set aside again each time that it was looked at."""
    still.hold(still.taken("bad"), "ct/101")
    still.client.hset("phoenix:t:bad", "job", other)
    still.client.set("phoenix:job:spoiled", "x")
    assert still.cancel("bad", WHY) == (ASIDE, "bad")
    assert still.client.hget("phoenix:job:bad", "state") == "cancelled"
    assert still.hold(still.taken("next"), "ct/101") == "held"
    still.call("reconcile", RESUME_QUEUE, 0, 0, 100, '"lost"')
    assert not still.client.exists("phoenix:aside")
    still.client.delete("phoenix:job:spoiled")
