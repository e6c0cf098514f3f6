"""What the ledger has of the steps of a task, and of the ends of the links of a job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer.contract import QUEUE, RESUME_QUEUE
from phoenix_worker.durable.run import Answer, End
from tests.support.still_ledger import AT

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.still_ledger import StillLedger

WHY = {"message": "no", "cause": "x", "remedy": ""}
READ = '{"looked": "1"}'
TASK = {"name": "phoenix.start", "subject": "101", "queue": QUEUE, "body": "b", "headers": "{}", "reply": ""}
NEXT = json.dumps({**TASK, "job": "request"})


def journal(client: Redis, task_id: str = "request") -> dict[Any, Any]:
    found: dict[Any, Any] = client.hgetall(f"phoenix:j:{task_id}")
    return found


def test_a_step_is_intended_once_and_its_result_is_kept(still: StillLedger, redis_client: Redis) -> None:
    run = still.taken("request")
    assert still.call("intend", "request", run.number, "", "clone") == ["fresh", 0]
    still.at(5)
    assert still.call("intend", "request", run.number, "", "clone") == ["intended", f"{AT:.6f}"]
    assert still.say("journal", run, "", "clone", '"made"', "UPID:pve1:x") == "journalled"
    assert journal(redis_client) == {"?clone": f"{AT:.6f}", "clone": '"made"'}
    entries: Any = redis_client.xrange("phoenix:job:request:log")
    assert [(one["kind"], one["upid"]) for _, one in entries][2:] == [("remote-task", "UPID:pve1:x")]
    assert still.say("journal", run, "", "start", "1", "") == "journalled"
    assert redis_client.xlen("phoenix:job:request:log") == 3, "it was no task of Proxmox"
    assert still.say("forget", run, "", "clone") == "forgotten"
    assert journal(redis_client) == {"start": "1", "!clone": "1"}


def test_what_is_done_again_is_no_progress(still: StillLedger, redis_client: Redis) -> None:
    """A step that was done well each time, and whose task failed each time, was done again for ever."""
    run = still.taken("request")
    still.say("journal", run, "", "clone", "1", "")
    for times, read in ((1, ""), (2, '{"clone": "1"}')):
        redis_client.hset("phoenix:t:request", mapping={"idle": 3, "tries": 3, "since": "5"})
        still.say("forget", run, "", "clone")
        still.say("forget", run, "", "never done")
        if read:
            still.say("release", run, read, RESUME_QUEUE, "x")
        else:
            still.say("journal", run, "", "clone", "1", "")
        assert journal(redis_client) == {"clone": "1", "!clone": f"{times}"}
        assert [still.field("request", name) for name in ("idle", "tries", "since")] == ["0", "0", "5"]
    still.say("release", run, '{"clone": "1", "new": "1"}', RESUME_QUEUE, "x")
    assert still.field("request", "since") is None


def test_who_meets_another_server_has_each_intent_looked_for(still: StillLedger, redis_client: Redis) -> None:
    """Also where workers of an earlier version have left no word on the server that they met."""
    run = still.taken("request")
    met = [("a", 0), ("a", 0), ("b", 1), ("b", 1), ("b", 0), (None, 0), ("b", 1)]
    for step, (server, looks) in enumerate(met):
        if not looks:
            redis_client.delete("phoenix:replaced")
        if server is None:
            redis_client.delete("phoenix:server")
            redis_client.set("phoenix:ticks", 1)
        else:
            still.call("meet", server, 300)
        assert still.call("intend", "request", run.number, "", f"step-{step}") == ["fresh", looks]


@pytest.mark.parametrize(
    ("script", "args"),
    [("journal", ("step", "1", "")), ("forget", ("step",)), ("release", (RESUME_QUEUE, "x")), ("unwind", ())],
)
def test_what_was_read_is_kept_with_any_word(
    script: str, args: tuple[str, ...], still: StillLedger, redis_client: Redis
) -> None:
    run = still.taken("request")
    redis_client.hset("phoenix:t:request", mapping={"idle": 3, "tries": 3, "since": "5"})
    still.say(script, run, READ, *args)
    assert journal(redis_client)["looked"] == "1"
    assert [still.field("request", name) for name in ("idle", "tries", "since")] == ["0", "0", None]


def test_a_choice_is_progress_and_begins_no_look(still: StillLedger, redis_client: Redis) -> None:
    run = still.taken("request")
    still.say("join", run, "", "ensure 101", "1", "")
    redis_client.hset("phoenix:t:request", mapping={"idle": 3, "tries": 3, "since": "5"})
    assert still.say("hold_shortest", run, "", RESUME_QUEUE, "lane", 0) == "held"
    assert still.field("request", "idle") == "3"
    assert still.say("settle", run, "", "101", '"pve1"', "", 0) == "settled"
    assert [still.field("request", name) for name in ("idle", "tries", "since")] == ["0", "0", None]
    assert redis_client.get("phoenix:flight:ensure 101") == "request", "others may still join"
    assert not redis_client.exists("phoenix:reservations", "phoenix:reserved")


def test_a_link_lands_once_and_ends_where_nobody_wants_its_result(still: StillLedger, redis_client: Redis) -> None:
    request = still.taken("request")
    still.say("replace", request, "first", 0, NEXT)
    assert (still.field("request", "state"), still.field("request", "by")) == ("replaced", None)
    first = still.again("first")
    for value in ('"one"', '"two"'):
        assert still.say("land", first, "second", 0, NEXT, value, "") == "landed"
    assert still.field("first", "landed") == '"one"'
    assert (still.field("first", "state"), still.field("second", "state")) == ("running", "queued")
    assert redis_client.lrange("phoenix:job:request:steps", 0, -1) == ['"one"']
    assert [kind for kind, _ in still.told("request")].count("step-done") == 1
    assert still.say("land", still.again("second"), "third", 0, NEXT, '"three"', RESUME_QUEUE) == "landed"
    assert (still.field("second", "state"), still.field("third", "state")) == ("done", "queued")


def test_the_end_of_a_link_is_none_of_its_job(still: StillLedger, redis_client: Redis) -> None:
    leader, member, follower = still.taken("leader"), still.taken("member", job="leader"), still.taken("follower")
    for run in (leader, follower):
        still.say("join", run, "", "ensure 101", "1", "")
    member.answer = Answer("celery-task-meta-member", "{}", 60)
    assert still.finish(member, "ok", None) == End()
    assert redis_client.hget("phoenix:job:leader", "state") == "open"
    assert not redis_client.exists("phoenix:job:leader:answer")


@pytest.mark.parametrize("verdict", ["failed", "cancelled"])
def test_the_failure_of_a_link_is_that_of_all_who_share_its_job(
    verdict: str, still: StillLedger, redis_client: Redis
) -> None:
    leader, member, follower = still.taken("leader"), still.taken("member", job="leader"), still.taken("follower")
    for run in (leader, follower):
        still.say("join", run, "", "ensure 101", "1", "")
    member.answer = Answer("celery-task-meta-member", '{"of": "member"}', 60)
    end = still.finish(member, verdict, WHY, shared=Answer("", '{"of": "leader", "by": "member"}', 0))
    assert end is not None
    assert (end.shared, end.requester) == (True, "me")
    ((_, told, _, _, cause, *_),) = still.tick()[3]
    assert (told, json.loads(cause)) == (verdict, WHY)
    assert redis_client.get("celery-task-meta-follower") == '{"of": "follower", "by": "follower"}'
    for job in ("leader", "follower"):
        value = json.loads(redis_client.get(f"phoenix:ev:job/{job}") or "")
        assert (value["ok"], json.loads(value["value"])) == (False, WHY)
        assert redis_client.hget(f"phoenix:job:{job}", "state") == verdict
        assert still.told(job)[-1] == (verdict, json.dumps(WHY))


def test_a_task_that_takes_its_process_with_it_is_given_up(still: StillLedger) -> None:
    run = still.taken("request")
    still.call("lose", "request", "w2", 2, '"given up"', 6, 3)
    assert still.field("request", "state") == "running", "it is none of that worker's"
    for idle, fail in ((1, None), (2, '"given up"')):
        still.call("lose", "request", "w1", 2, '"given up"', 6, 3)
        assert (still.due_in("request"), still.places("request") & {"runs:w1"}) == (3.0 * idle, set())
        assert (still.field("request", "idle"), still.field("request", "fail")) == (str(idle), fail)
        still.at(3.0 * idle)
        still.tick()
        run = still.again("request")
    assert run.fail == '"given up"'


def test_what_a_worker_lost_is_given_back_by_itself(still: StillLedger, redis_client: Redis) -> None:
    run = still.taken("request", chord=True)
    redis_client.sadd("phoenix:runs:w2", "request")
    assert still.call("disown", "request", run.number, "w2", 6) == ["stale"]
    assert not redis_client.exists("phoenix:runs:w2")
    assert still.call("disown", "request", run.number, "w1", 6) == ["due"]
    assert (still.due_in("request"), redis_client.exists("phoenix:runs:w1")) == (6.0, 0)
    assert redis_client.hgetall("phoenix:parked") == {"retry": "1"}


@pytest.mark.parametrize(
    ("script", "args"), [("replace", ("child", 0, NEXT)), ("retry", ("", 3, "busy")), ("requeue", (3,))]
)
def test_a_run_that_is_over_is_nobody_s(
    script: str, args: tuple[str | float, ...], still: StillLedger, redis_client: Redis
) -> None:
    run = still.taken("request")
    still.say("journal", run, "", "step", "1", "")
    still.say(script, run, *args)
    assert [still.field("request", name) for name in ("by", "nonce")] == [None, None]
    assert not redis_client.exists("phoenix:runs:w1")
    assert journal(redis_client) == ({} if script == "replace" else {"step": "1"})


@pytest.mark.parametrize("name", ["reservations", "reserved:lately", "drained", "reserved"])
def test_reservations_of_another_kind_are_none(name: str, still: StillLedger, redis_client: Redis) -> None:
    """Before a tick has seen it; and those of jobs that have ended, or of what is none, say nothing either."""
    run, ended = still.taken("request"), still.taken("ended")
    still.finish(ended, "ok", None)
    redis_client.set("phoenix:t:odd", "x")
    redis_client.hset("phoenix:reservations", mapping={"request": "1", "ended": "2", "odd": "3", "ended/101": "4"})
    assert still.call("reserved")[:3] == ["reserved", "0", ["request", "1"]]
    redis_client.delete("phoenix:reservations")
    redis_client.lpush(f"phoenix:{name}", "x")
    assert still.call("reserved") == ["reserved", "0", [], [], []]
    redis_client.lpush("phoenix:reservations", "x")
    assert still.say("settle", run, "", "101", '"pve1"', "{}", 0) == "settled"
    assert redis_client.hgetall("phoenix:reservations") == {"request": "{}"}
    redis_client.delete("phoenix:reservations")
    redis_client.lpush("phoenix:reservations", "x")
    assert still.call("unreserve", "request") == ["unreserved"]


def test_a_message_is_recorded_once_a_generation(still: StillLedger) -> None:
    entry = json.dumps({**TASK, "job": "request"})
    answers = [still.call("record", "request", generation, entry) for generation in (1, 1, 0, 2)]
    assert answers == [["recorded"], ["known"], ["known"], ["recorded"]]
    assert (still.field("request", "gen"), still.field("request", "state")) == ("2", "queued")


def test_what_cannot_be_watched_is_watched_no_more_whoever_waits_for_it(
    still: StillLedger, redis_client: Redis
) -> None:
    still.wait(still.taken("request"), "upid/x", '{"class":"c"}', 3)
    redis_client.delete("phoenix:t:request")
    redis_client.set("phoenix:t:request", "x")
    redis_client.hset("phoenix:watch:looks", "upid/x", "1")
    still.call("unwatch", "upid/x", "nobody can look")
    assert not redis_client.exists("phoenix:watch", "phoenix:watched", "phoenix:watch:looks", "phoenix:ev:upid/x:w")
    assert still.score("aside", "request") == 0.0


def test_what_runs_or_has_ended_is_due_no_more(still: StillLedger, redis_client: Redis) -> None:
    running, ended = still.taken("running"), still.taken("ended")
    still.finish(ended, "ok", None)
    redis_client.zadd("phoenix:due", {running.id: AT, ended.id: AT, "nobody": AT})
    still.tick()
    assert not redis_client.exists("phoenix:due")
    assert (still.rung, still.field("running", "state")) == ([], "running")


def test_a_link_whose_successor_redis_has_lost_does_not_end(still: StillLedger, redis_client: Redis) -> None:
    """A replica took over between the two: ended now, nothing would ever follow it."""
    still.hold(run := still.taken("request"), "lane")
    assert still.say("land", run, "next", 0, NEXT, '"landed"', "") == "landed"
    run.landed_now = True
    redis_client.hdel("phoenix:t:request", "landed")
    redis_client.delete("phoenix:t:next")
    redis_client.zrem("phoenix:due", "next")
    assert still.finish(run, "ok", "landed") is None
    assert (still.field("request", "state"), still.due_in("request")) == ("parked", 1.0)
    assert redis_client.zscore("phoenix:lock:lane", "request") == 0
