"""What the ledger counts and when it looks again, to the second: its clock stands still."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer.contract import QUEUE, RESUME_QUEUE
from phoenix_worker.durable.run import Answer
from tests.support.still_ledger import AT, lasting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from phoenix_worker.durable.run import Run
    from tests.support.still_ledger import StillLedger

WHY = {"message": "no", "cause": "x", "remedy": ""}
GRACE = 2.0


@contextmanager
def hearing(client: Redis, channel: str) -> Iterator[Any]:
    """What is published there."""
    with client.pubsub(ignore_subscribe_messages=True) as listening:  # type: ignore[no-untyped-call]
        listening.subscribe(channel)
        assert listening.get_message(timeout=60) is None, "it has subscribed"
        yield listening


def test_a_job_is_told_with_the_time_it_took_and_for_what_it_was_parked(
    still: StillLedger, redis_client: Redis
) -> None:
    run = still.taken("request")
    still.at(10)
    assert still.say("retry", run, "", 5, "busy") == "parked"
    assert redis_client.hgetall("phoenix:parked") == {"retry": "1"}
    still.at(17)
    still.tick()
    run = still.again("request")
    assert still.wait(run, "upid/x") == "parked"
    still.at(20.5)
    still.resolve("upid/x", "OK")
    assert not redis_client.exists("phoenix:parked")
    run = still.again("request")
    still.at(30)
    end = still.finish(run, "ok", {"outcome": "created", "cause": 5, "message": "Done."})
    assert end is not None
    assert (end.took, end.parked, end.request) == (30.0, {"retry": 7.0, "upid": 3.5}, "phoenix.ensure")
    told = redis_client.hmget("phoenix:job:request", "state", "ended", "outcome", "cause")
    assert told == ["done", f"{AT + 30:.6f}", "created", ""]
    entries: Any = redis_client.xrange("phoenix:events")
    assert [(one["kind"], one["at"], one["outcome"], one["message"]) for _, one in entries] == [
        ("requested", f"{AT:.6f}", "", ""),
        ("done", f"{AT + 30:.6f}", "created", "Done."),
    ]


@pytest.mark.parametrize("value", [5, None, [1], "text"])
def test_an_end_that_says_nothing_of_itself_is_told_all_the_same(
    value: Any, still: StillLedger, redis_client: Redis
) -> None:
    run = still.taken("request")
    redis_client.hset("phoenix:job:request", "created", "x")
    end = still.finish(run, "ok", value)
    assert end is not None
    assert (end.took, end.parked) == (0.0, {})
    assert redis_client.hmget("phoenix:job:request", "state", "outcome") == ["done", ""]


@pytest.mark.parametrize(("seconds", "left"), [(86_400, 86_400), (0, -1)])
def test_an_answer_is_kept_as_long_as_was_asked_and_told_to_who_listens(
    seconds: int, left: int, still: StillLedger, redis_client: Redis
) -> None:
    run = still.taken("request")
    run.answer = Answer("celery-task-meta-request", "{}", seconds)
    with hearing(redis_client, "celery-task-meta-request") as listening:
        still.finish(run, "ok", None)
        heard: Any = listening.get_message(timeout=60)
    assert (heard["data"], redis_client.get("celery-task-meta-request")) == ("{}", "{}")
    assert redis_client.ttl("celery-task-meta-request") == lasting(left)


def test_what_a_run_is_told_of_its_times(still: StillLedger) -> None:
    still.at(-9)
    still.asked("request")
    still.at(0)
    run = still.again("request")
    assert (run.created, run.begun, run.claimed_at, run.since) == (AT - 9, AT, AT, None)
    still.say("retry", run, "", 3, "busy")
    assert (still.due_in("request"), still.field("request", "tries")) == (3.0, "1")
    still.at(5)
    still.tick()
    run = still.again("request")
    assert (run.begun, run.claimed_at, run.since, run.tries) == (AT, AT + 5, AT, 1)
    still.say("retry", run, "", 3, "busy")
    still.at(9)
    still.tick()
    assert still.again("request").since == AT, "the first trouble counts"
    assert still.told("request") == [
        ("requested", "me"), ("step-started", ""), ("retrying", "busy"), ("retrying", "busy"),
    ]  # fmt: skip


def test_a_sleep_is_over_at_its_time_however_often_it_is_begun(still: StillLedger) -> None:
    run = still.taken("request")
    assert still.say("sleep", run, "", 0, 10) == "parked"
    assert still.due_in("request") == 10.0
    still.at(9.5)
    still.tick()
    assert still.rung == []
    still.at(10)
    still.tick()
    assert still.rung == ["request"]
    run = still.again("request")
    assert still.say("sleep", run, "", 0, 10) == "over"
    assert still.say("sleep", run, "", 1, 4) == "parked", "the next is another one"
    assert still.due_in("request") == 14.0


def test_a_run_that_ends_without_a_verdict_is_given_up_after_so_many(still: StillLedger) -> None:
    run = still.taken("request")
    for idle, fail in ((1, None), (2, "given up")):
        assert still.say("requeue", run, 3, 2, "given up") == "queued"
        assert (still.due_in("request"), still.field("request", "idle")) == (3.0 * idle, str(idle))
        assert still.field("request", "fail") == fail
        still.at(3.0 * idle)
        still.tick()
        run = still.again("request")
    assert run.fail == "given up"
    assert still.say("requeue", run, 3) == "queued"
    assert still.field("request", "idle") == "2", "Redis's own trouble counts for nobody"


def test_what_is_done_again_since_it_was_undone_is_no_progress(still: StillLedger, redis_client: Redis) -> None:
    """Patience counts from when it was first found, whatever each generation does well."""

    def about_to(run: Run) -> list[Any]:
        return still.call("redo", run.id, run.number, "", "source of 101")

    run, entry = still.taken("request"), {"name": "phoenix.clone", "subject": "101", "job": "request", "queue": QUEUE}
    assert [about_to(run), about_to(run)] == [["begun"]] * 2
    for generation, (at, before) in enumerate([(10, 0), (20, 1), (30, 2)], start=1):
        still.at(at)
        told = json.dumps({**entry, "body": "b", "headers": "{}", "reply": ""})
        assert still.say("replace", run, "request", generation, told) == "replaced"
        run = still.again("request")
        assert still.field("request", "since") is None, "a generation of its own"
        assert about_to(run) == ["again", f"{AT + 10:.6f}", before]
        assert float(still.field("request", "since") or 0) == AT + 10
        assert about_to(run) == ["begun"], "it has waited, and goes on"
        assert still.say("settle", run, "", f"{generation}", '"pve1"', "", 0) == "settled"
    assert still.call("redo", run.id, run.number, "", "source of 102") == ["begun"], "of each by itself"
    redis_client.delete("phoenix:job:request")
    assert about_to(run) == ["begun"]
    assert not redis_client.exists("phoenix:job:request")


def test_what_is_reserved_lately_is_what_ended_within_fifteen_seconds(still: StillLedger, redis_client: Redis) -> None:
    for at, name in ((0, "first"), (10, "second"), (15, "third")):
        still.at(at)
        run = still.taken(name)
        assert still.say("settle", run, "", "101", '"pve1"', json.dumps({"of": name}), _made(redis_client)) == "settled"
        still.finish(run, "ok", None)
    lately: Any = redis_client.zrange("phoenix:reserved:lately", 0, -1)
    assert [json.loads(one)["of"] for one in lately] == ["second", "third"]
    still.at(25)
    assert [json.loads(one)["of"] for one in still.call("reserved")[3]] == ["second", "third"]
    still.at(25.1)
    assert [json.loads(one)["of"] for one in still.call("reserved")[3]] == ["third"]
    still.at(13.9)
    assert [json.loads(one)["of"] for one in still.call("reserved")[3]] == ["second"], "the clock was set since"


def _made(client: Redis) -> str:
    return str(client.get("phoenix:reserved") or "0")


def test_a_remote_job_is_watched_by_one_as_long_as_somebody_waits(still: StillLedger, redis_client: Redis) -> None:
    runs = [still.taken(name) for name in ("first", "second", "third")]
    with hearing(redis_client, "phoenix:watch") as listening:
        for later, run in enumerate(runs):
            still.at(later)
            assert still.wait(run, "upid/x", json.dumps({"class": "clone"}), 4) == "parked"
        heard: Any = listening.get_message(timeout=60)
        assert (heard["data"], listening.get_message(timeout=0.01)) == ("upid/x", None)
    assert still.score("watch", "upid/x") == 4.0
    watched = json.loads(redis_client.hget("phoenix:watched", "upid/x") or "")
    assert watched == {"class": "clone", "since": f"{AT:.6f}"}
    for run in runs[:2]:
        still.cancel(run.id, WHY)
        assert redis_client.exists("phoenix:watched", "phoenix:watch") == 2
    still.cancel("third", WHY)
    assert not redis_client.exists("phoenix:watched", "phoenix:watch", "phoenix:ev:upid/x:w")


def test_an_event_is_told_once_and_watched_no_more(still: StillLedger, redis_client: Redis) -> None:
    run = still.taken("request")
    still.wait(run, "upid/x", json.dumps({"class": "clone"}), 4)
    for value in ("OK", "other"):
        still.resolve("upid/x", value)
    assert not redis_client.exists("phoenix:watched", "phoenix:watch", "phoenix:ev:upid/x:w")
    assert still.rung == ["request"]
    assert still.queues == {"request": RESUME_QUEUE}
    assert still.call("wait", "request", still.again("request").number, "", "upid/x", "", "", 0) == ["known", '"OK"']


def test_what_is_told_of_a_remote_job_is_told_once(still: StillLedger, redis_client: Redis) -> None:
    run = still.taken("request")
    still.call("report", "upid/x", "request", "seen", "a line")
    still.wait(run, "upid/x", json.dumps({"class": "clone"}), 4)
    for watch, said in (("one", "a line"), ("one", "a line"), ("two", "a further line")):
        still.call("report", "upid/x", "request", watch, said)
    still.call("report", "upid/x", "nobody", "three", "lost")
    told = [detail for kind, detail in still.told("request") if kind == "output"]
    assert told == ["a line", "a further line"]
    assert redis_client.hget("phoenix:watched", "upid/x") == "three"
    redis_client.hset("phoenix:watched", "upid/x", '{"since":"2.5"}')
    for _ in range(2):
        still.call("report", "upid/x", "nobody", '{"since": "1.5", "read": "7"}', "by the clock before it was set")
    assert redis_client.hget("phoenix:watched", "upid/x") == '{"since": "2.5", "read": "7"}'
    still.call("unwatch", "upid/x", "nobody can look")
    assert (still.field("request", "state"), still.field("request", "aside")) == ("aside", "nobody can look")
    assert not redis_client.exists("phoenix:watched", "phoenix:watch", "phoenix:ev:upid/x:w")


def test_who_is_first_in_a_line_is_told_how_long_it_stood_there(still: StillLedger, redis_client: Redis) -> None:
    """A turn in a line is no part of the patience with trouble."""
    owner, waiter = still.taken("owner"), still.taken("waiter")
    redis_client.hset("phoenix:t:waiter", "since", f"{AT - 5:.6f}")
    assert [still.hold(run, "lane") for run in (owner, waiter)] == ["held", "parked"]
    still.at(8)
    still.finish(owner, "ok", None)
    assert redis_client.hget("phoenix:held", "lane") == f"{AT + 8:.6f}"
    again = still.again("waiter")
    assert again.since == AT + 3
    answer = still.call("hold", "waiter", again.number, "", RESUME_QUEUE, "lane", 1, "")
    assert (answer[0], float(answer[1])) == ("held", 8.0)
    assert still.field("waiter", "holds") == "lane "


def test_locks_of_another_kind_are_made_anew(still: StillLedger, redis_client: Redis) -> None:
    """Before a tick has seen it."""
    run = still.taken("request")
    redis_client.set("phoenix:lock:lane", "x")
    redis_client.set("phoenix:held", "x")
    assert still.hold(run, "lane") == "held"
    assert redis_client.hget("phoenix:held", "lane") == f"{AT:.6f}"


def test_what_is_spoiled_as_a_job_ends_does_not_keep_it_from_ending(still: StillLedger, redis_client: Redis) -> None:
    run = still.taken("request")
    assert still.say("settle", run, "", "101", '"pve1"', "{}", 0) == "settled"
    redis_client.hset("phoenix:reserved:lately", "x", "x")
    redis_client.delete("phoenix:reservations")
    redis_client.set("phoenix:reservations", "x")
    assert still.finish(run, "ok", None) is not None
    assert not redis_client.exists("phoenix:reservations", "phoenix:reserved:lately")


def test_a_record_of_a_newer_version_comes_again_between_two_and_four_seconds_later(
    still: StillLedger, redis_client: Redis
) -> None:
    later = []
    still.asked("request")
    redis_client.hset("phoenix:t:request", "v", 2)
    for at in (0.0, 0.00025, 0.0005, 0.00075):
        still.at(at)
        still.claim("request", 0, "w1", lambda: "")
        later.append(round((still.due_in("request") or 0) - at, 3))
    assert later == [2.0, 2.5, 3.0, 3.5]


def test_places_in_queues_tell_the_latest_that_was_claimed(still: StillLedger, redis_client: Redis) -> None:
    for name in ("first", "second"):
        still.asked(name)
    still.again("second")
    still.again("first")
    assert redis_client.hgetall("phoenix:claimed") == {QUEUE: "2"}
    assert redis_client.get(f"phoenix:pos:{QUEUE}") == "2"
