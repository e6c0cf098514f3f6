"""Whom the ledger refuses: runs that were declared dead, and those whose job was cancelled. What ends pass on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.contract import QUEUE, RESUME_QUEUE
from phoenix_worker.durable.run import Run

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.still_ledger import StillLedger

WHY = {"message": "no", "cause": "x", "remedy": ""}
READ = json.dumps({"looked": "1"})
CHILD = json.dumps({"name": "phoenix.clone", "subject": "101", "job": "request", "queue": QUEUE, "body": "b",
                    "headers": "{}", "reply": ""})  # fmt: skip

WORDS: dict[str, tuple[str | float, ...]] = {
    "hold": (READ, RESUME_QUEUE, "lane", 1, ""),
    "hold_shortest": (READ, RESUME_QUEUE, "lane", 0),
    "wait": (READ, "upid/x", "", '{"class":"c"}', 3),
    "sleep": (READ, 0, 9),
    "intend": (READ, "step"),
    "join": (READ, "ensure 101", "1", ""),
    "settle": (READ, "101", '"pve1"', "{}", 0),
    "redo": (READ, "source of 101"),
}
"""What a run says before it does more: it is not heard when nobody wants its work any more."""
ENDS: dict[str, tuple[str | float, ...]] = {
    "journal": (READ, "step", "1", "UPID:x"),
    "forget": (READ, "step"),
    "release": (READ, RESUME_QUEUE, "other"),
    "unwind": (READ,),
    "replace": ("child", 0, CHILD),
    "land": ("child", 0, CHILD, "{}", ""),
    "retry": ("", 3, "busy"),
    "requeue": (3, 1, "given up"),
    "looked": ("1/2",),
    "finish": (RESUME_QUEUE, "failed", '"x"', "somewhere", "{}", 9, "{}"),
}
"""What it says of what it has done: that is heard."""


@pytest.mark.parametrize("script", [*WORDS, *ENDS])
def test_who_was_declared_dead_is_refused_everything(script: str, still: StillLedger) -> None:
    run = still.taken("request")
    still.hold(run, "other")
    still.call("farewell", "w1", 0)
    still.tick("w2")
    still.again("request", "w2")
    before = still.everything()
    assert still.say(script, run, *{**WORDS, **ENDS}[script]) == "stale"
    assert still.everything() == before


@pytest.mark.parametrize("script", [*WORDS, *ENDS])
def test_whose_run_redis_has_forgotten_is_refused_beside_another_of_its_number(
    script: str, still: StillLedger, redis_client: Redis
) -> None:
    """It was emptied, and the same request asked for again: its first run would be both."""
    run = still.taken("request")
    redis_client.flushall()
    again = still.taken("request", worker="w2")
    still.hold(again, "other")
    before = still.everything()
    assert still.say(script, run, *{**WORDS, **ENDS}[script]) == "stale"
    assert still.call("disown", run.id, run.number, "w2", 0) == ["stale"]
    assert still.everything() == before


@pytest.mark.parametrize("script", WORDS)
def test_a_cancelled_job_hears_so_at_its_next_word(script: str, still: StillLedger, redis_client: Redis) -> None:
    run = still.taken("request")
    still.cancel("request", WHY)
    assert still.call(script, run.id, run.number, *WORDS[script]) == ["condemned", json.dumps(WHY)]
    assert redis_client.hgetall("phoenix:j:request") == {"looked": "1"}, "what it read is kept"
    assert still.say("unwind", run, "") == "unwinding"
    assert still.say(script, run, *WORDS[script]) != "condemned"


def test_what_it_has_done_is_heard_of_a_cancelled_job_too(still: StillLedger, redis_client: Redis) -> None:
    run = still.taken("request")
    still.hold(run, "other")
    still.cancel("request", WHY)
    for script in ("journal", "forget", "release"):
        assert still.say(script, run, *ENDS[script]) not in {"condemned", "stale"}
    assert redis_client.hgetall("phoenix:j:request") == {"looked": "1", "!step": "1"}
    assert not redis_client.exists("phoenix:lock:other")


def test_a_worker_that_stops_leaves_what_it_runs_and_nothing_of_others(still: StillLedger, redis_client: Redis) -> None:
    still.taken("own")
    still.taken("chord", chord=True)
    still.taken("moved", worker="w2")
    still.wait(still.taken("parked"), "upid/x")
    redis_client.sadd("phoenix:runs:w1", "moved", "parked")
    still.tick()
    still.call("farewell", "w1", 6)
    assert [still.field(one, "state") for one in ("own", "chord", "moved")] == ["parked", "parked", "running"]
    assert [still.due_in(one) for one in ("own", "chord", "parked")] == [0.0, 6.0, None]
    assert (redis_client.exists("phoenix:runs:w1"), still.score("workers", "w1")) == (0, None)


def test_the_history_of_a_job_has_each_of_its_ends(still: StillLedger) -> None:
    _, first = building(still)
    still.say("land", first, "second", 0, CHILD, '"made"', "")
    still.finish(first, "ok", None)
    still.finish(still.taken("aside", job="request"), "ok", None)
    end = still.finish(still.again("second"), "failed", WHY)
    told = [
        "requested",
        "step-started",
        "step-started",
        "step-done",
        "step-started",
        "step-done",
        "step-started",
        "failed",
    ]
    assert [kind for kind, _ in still.told("request")] == told
    assert still.told("request")[-1] == ("failed", json.dumps(WHY))
    assert end is not None
    assert (end.request, end.requester, end.replaced, end.shared) == ("phoenix.ensure", "me", ("request",), False)
    assert json.dumps(still.steps("request")) == '["made"]'


def test_a_job_is_told_as_done_once(still: StillLedger, redis_client: Redis) -> None:
    still.at(-7)
    still.asked("request")
    still.at(0)
    end = still.finish(still.again("request"), "ok", None)
    assert end is not None
    assert (end.took, end.requester) == (7.0, "me")
    assert [kind for kind, _ in still.told("request")] == ["requested", "step-started", "step-done", "done"]
    assert redis_client.get("phoenix:ev:job/request") == '{"ok":true,"value":"null"}'


def building(still: StillLedger) -> tuple[Run, Run]:
    """A request has its template built, which the lane of that template is for; the request holds the lane."""
    request = still.taken("request")
    still.hold(request, "ct/900")
    still.say("replace", request, "child", 0, CHILD)
    return request, still.again("child")


@pytest.mark.parametrize(("verdict", "hears"), [("failed", True), ("cancelled", False)])
def test_who_waits_for_a_build_hears_that_it_failed(
    verdict: str, hears: bool, still: StillLedger, redis_client: Redis
) -> None:
    """A member of another job does; another request takes its own turn, and so does everybody after a cancel."""
    _, build = building(still)
    other, member = still.taken("other"), still.taken("member", job="elsewhere")
    bystander = still.taken("bystander", job="elsewhere")
    for run in (other, member):
        assert still.hold(run, "ct/900") == "parked"
    still.hold(still.taken("owner"), "ct/901")
    assert still.hold(bystander, "ct/901") == "parked"
    end = still.finish(build, verdict, WHY)
    assert end is not None
    assert end.replaced == ("request",)
    assert still.field("member", "fail") == (json.dumps(WHY) if hears else None)
    assert [still.field(one, "fail") for one in ("other", "bystander")] == [None, None]
    assert still.rung == (["member", "other"] if hears else ["other"])
    assert redis_client.zrange("phoenix:lock:ct/900", 0, -1) == (["other"] if hears else ["other", "member"])


def test_a_message_of_a_sender_that_knows_no_ledger_is_recorded_at_its_first_claim(still: StillLedger) -> None:
    """What it is made of is asked for then, and only then."""
    entry = json.dumps({**json.loads(CHILD), "job": "foreign"})
    assert still.claim("foreign", 0, "w1", lambda: "") == "not in the ledger any more"
    run = still.claim("foreign", 0, "w1", lambda: entry)
    assert isinstance(run, Run)
    assert still.finish(run, "ok", None) is not None
    assert still.claim("foreign", 0, "w1", lambda: pytest.fail("it was seen before")) == "done"
