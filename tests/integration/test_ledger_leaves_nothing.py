"""Whatever a task does as its job ends: it is named nowhere afterwards, and nothing of the job stays for ever."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.contract import QUEUE, RESUME_QUEUE
from phoenix_worker.durable.run import Answer
from tests.support.still_ledger import lasting

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from phoenix_worker.durable.run import Run
    from tests.support.still_ledger import StillLedger

WHY = {"message": "no", "cause": "x", "remedy": ""}
WEEK = 604800
COUNTERS = {
    "seq",
    "claimed",
    "ticks",
    "ticked",
    "workers",
    "reserved",
    *(f"pos:{one}" for one in (QUEUE, RESUME_QUEUE)),
}
TOMBSTONE = {"v", "gen", "name", "subject", "job", "seq", "idle", "tries", "chord", "state", "run", "rings"}


def waits_for_a_lock(still: StillLedger, run: Run) -> list[Run]:
    owner = still.taken("owner")
    assert [still.hold(one, "lane") for one in (owner, run)] == ["held", "parked"]
    return [owner]


def follows(still: StillLedger, run: Run) -> list[Run]:
    leader = still.taken("leader")
    assert [still.say("join", one, "", "ensure 101", "1", "") for one in (leader, run)] == ["lead", "parked"]
    return [leader]


def was_woken(still: StillLedger, run: Run) -> None:
    still.wait(run, "upid/x")
    still.resolve("upid/x", "OK")


def is_set_aside(still: StillLedger, run: Run) -> None:
    still.wait(run, "template/900")
    still.call("set_aside", run.id, "why")


def is_set_aside_in_a_line(still: StillLedger, run: Run) -> list[Run]:
    others = waits_for_a_lock(still, run)
    still.call("set_aside", run.id, "why")
    return others


def child_of(run: Run) -> str:
    told = {"name": "phoenix.clone", "subject": "101", "job": run.job, "queue": QUEUE}
    return json.dumps({**told, "body": "b", "headers": "{}", "reply": ""})


DOES: dict[str, Callable[[StillLedger, Run], object]] = {
    "runs": lambda still, run: still.say("journal", run, "", "step", "1", ""),
    "reserves": lambda still, run: still.say("settle", run, "", "101", '"pve1"', "{}", 0),
    "holds locks": lambda still, run: (still.hold(run, "lane"), still.hold(run, "node", 2)),
    "waits for a lock": waits_for_a_lock,
    "waits for an event": lambda still, run: still.wait(run, "template/900"),
    "waits for a remote job": lambda still, run: still.wait(run, "upid/x", '{"class":"c"}', 9),
    "sleeps": lambda still, run: still.say("sleep", run, "", 0, 9),
    "retries": lambda still, run: still.say("retry", run, "", 9, "busy"),
    "is run again": lambda still, run: still.say("requeue", run, 9),
    "was woken": was_woken,
    "leads": lambda still, run: still.say("join", run, "", "ensure 101", "1", ""),
    "follows": follows,
    "is set aside": is_set_aside,
    "is set aside in a line": is_set_aside_in_a_line,
    "is replaced": lambda still, run: still.say("replace", run, "child", 0, child_of(run)),
    "has landed": lambda still, run: still.say("land", run, "child", 0, child_of(run), "{}", ""),
    "cleans up": lambda still, run: still.say("unwind", run, ""),
}


@pytest.mark.parametrize("does", DOES)
def test_what_ends_with_its_job_is_named_nowhere(does: str, still: StillLedger, redis_client: Redis) -> None:
    sibling, run = still.taken("request"), still.taken("run", job="request")
    others = DOES[does](still, run)
    assert still.finish(sibling, "failed", WHY) is not None
    for ended in ("request", "run"):
        assert still.places(ended) <= {"jobs"}
        assert set(map(str, redis_client.hkeys(f"phoenix:t:{ended}"))) - {"aside"} <= TOMBSTONE
        assert (still.field(ended, "state"), redis_client.ttl(f"phoenix:t:{ended}")) == ("done", lasting(WEEK))
    for other in others if isinstance(others, list) else ():
        still.finish(other, "ok", None)
    assert still.lasting() <= COUNTERS


@pytest.mark.parametrize("plain", ["1", "0"])
def test_what_shares_a_run_leaves_nothing(plain: str, still: StillLedger, redis_client: Redis) -> None:
    """It is given the answer, or runs again with it."""
    leader, follower = still.taken("leader"), still.taken("follower")
    for run in (leader, follower):
        still.say("join", run, "", "ensure 101", plain, "")
    leader.answer = Answer("celery-task-meta-leader", "leader", 60)
    still.finish(leader, "ok", None)
    still.tick()
    if plain == "0":
        again = still.again("follower")
        assert still.say("join", again, "", "ensure 101", plain, "") == "known"
        still.finish(again, "ok", None)
    for ended in ("leader", "follower"):
        assert still.places(ended) <= {"jobs", "job:leader:answer"}
        assert set(map(str, redis_client.hkeys(f"phoenix:t:{ended}"))) <= TOMBSTONE
    assert still.lasting() <= COUNTERS
    assert redis_client.ttl("phoenix:job:leader:answer") == lasting(3600)


def test_a_job_that_ended_is_kept_for_a_week(still: StillLedger, redis_client: Redis) -> None:
    request = still.taken("request")
    still.say("land", request, "child", 0, child_of(request), "{}", "")
    still.finish(still.again("child"), "failed", WHY)
    kept = {key: redis_client.ttl(f"phoenix:{key}") for key in ("jobs", "events", "ev:job/request")}
    kept |= {part: redis_client.ttl(f"phoenix:job:request{part}") for part in ("", ":log", ":steps")}
    assert kept == dict.fromkeys(kept, lasting(WEEK))
