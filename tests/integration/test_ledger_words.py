"""What each script of the ledger answers and writes, word by word: small things that a worker relies on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from phoenix_producer.contract import RESUME_QUEUE
from phoenix_worker.durable.ledger import ASIDE, Ledger
from phoenix_worker.durable.run import Answer

if TYPE_CHECKING:
    from phoenix_worker.durable.run import Run
    from tests.support.driven_ledger import DrivenLedger

WHY = {"message": "no", "cause": "cancelled", "remedy": ""}


def fields(client: Redis, task_id: str, *names: str) -> list[Any]:
    return client.hmget(f"phoenix:t:{task_id}", names)


def kinds(client: Redis, job: str) -> list[str]:
    """The history of a job."""
    entries: Any = client.xrange(f"phoenix:job:{job}:log")
    return [entry["kind"] for _, entry in entries]


def due_in(client: Redis, task_id: str) -> float | None:
    """Seconds until a task is looked at."""
    at = client.zscore("phoenix:due", task_id)
    return None if at is None else at - client.time()[0]


def condemned(driven: DrivenLedger, ctid: int = 101) -> Run:
    run = driven.taken(ctid)
    driven.ledger.cancel(run.id, WHY)
    return run


def test_a_cancel_says_what_it_met(driven: DrivenLedger, redis_client: Redis) -> None:
    assert driven.ledger.cancel("nobody", WHY) == ("unknown", "")
    for verdict in ("ok", "failed", "cancelled"):
        run = driven.taken(101)
        driven.ended(run, verdict)
        assert driven.ledger.cancel(run.id, WHY) == ("over", run.id)
    forgotten = driven.asked(102)
    redis_client.delete(f"phoenix:job:{forgotten}")
    assert driven.ledger.cancel(forgotten, WHY) == ("aside", forgotten), "its task was still to be run"
    assert due_in(redis_client, forgotten) is None
    assert driven.ledger.cancel(forgotten, WHY) == ("over", forgotten)
    asked = driven.asked(103)
    assert driven.ledger.cancel(asked, WHY) == ("cancelled", asked)


def test_who_shares_a_run_and_cancels_it_leaves_it_to_the_others(driven: DrivenLedger, redis_client: Redis) -> None:
    leader, follower = driven.taken(101), driven.taken(101)
    said = [driven.say("join", run, "", "ensure 101", "1", "shared") for run in (leader, follower)]
    assert said == ["lead", "parked"]
    for _ in range(2):
        assert driven.ledger.cancel(leader.id, WHY) == ("detached", leader.id)
    assert kinds(redis_client, leader.id).count("cancelled") == 1, "for its requester it ended, once"
    assert driven.ledger.cancel(follower.id, WHY) == ("detached", follower.id)


def test_what_was_set_aside_ends_as_cancelled(driven: DrivenLedger, redis_client: Redis) -> None:
    asked = driven.asked(101)
    driven.ledger.call("set_aside", asked, "why")
    assert driven.ledger.cancel(asked, WHY) == (ASIDE, asked)
    assert kinds(redis_client, asked) == ["requested", "cancelled"]
    told = json.loads(redis_client.get(f"phoenix:ev:job/{asked}") or "{}")
    assert (told["ok"], json.loads(told["value"])) == (False, WHY)


def test_a_record_of_a_newer_version_is_left_to_newer_workers(driven: DrivenLedger, redis_client: Redis) -> None:
    newer, parked, old = (driven.asked(ctid) for ctid in (101, 102, 103))
    redis_client.hset(f"phoenix:t:{newer}", "v", 2)
    redis_client.hset(f"phoenix:t:{parked}", mapping={"v": 2, "state": "parked"})
    redis_client.zrem("phoenix:due", newer, parked)
    for one in (newer, parked):
        assert driven.ledger.claim(one, 0, "w1", lambda: "") == "a record of a newer version"
    assert 1.5 <= (due_in(redis_client, newer) or 0) <= 5
    assert due_in(redis_client, parked) is None
    redis_client.hdel(f"phoenix:t:{old}", "v")
    assert driven.claim(old).id == old


def test_a_claim_whose_answer_was_lost_is_answered_again(driven: DrivenLedger, redis_client: Redis) -> None:
    asked = driven.asked(101)
    first, again = (driven.ledger.call("claim", asked, 0, "w1", "nonce", "", "", "") for _ in range(2))
    assert first[:2] == again[:2] == ["run", "1/nonce"]
    assert driven.ledger.call("claim", asked, 0, "w2", "other", "", "", "") == ["drop", "running"]
    assert due_in(redis_client, asked) is None
    redis_client.hset(f"phoenix:t:{asked}", "state", "replaced")
    assert driven.ledger.call("claim", asked, 0, "w1", "nonce", "", "", "") == ["drop", "replaced"]


def test_a_message_is_that_which_was_recorded(driven: DrivenLedger, redis_client: Redis) -> None:
    asked = driven.asked(101)
    name, body = fields(redis_client, asked, "name", "body")
    for other in ({"name": "phoenix.plan", "body": body}, {"name": name, "body": "x"}):
        said = driven.ledger.claim(asked, 0, "w1", lambda: "", **other)
        assert said == "another message than the recorded one"
    is_it = {"name": name, "body": body}
    for group in ("another", "half of a pair: \ud800"):
        said = driven.ledger.claim(asked, 0, "w1", lambda: "", **is_it, headers=json.dumps({"group": group}))
        assert said == "another message than the recorded one"
    redis_client.hset(f"phoenix:t:{asked}", "headers", "{}")
    nothing = json.dumps({"group": None, "ignore_result": False, "retries": 0})
    assert not isinstance(driven.ledger.claim(asked, 0, "w1", lambda: "", **is_it, headers=nothing), str)


class Cut(Redis):
    """A connection that is cut off between an answer and its announcement."""

    def publish(self, *_: Any, **__: Any) -> Any:
        raise RedisConnectionError("cut")


def test_an_answer_is_stored_once_and_ends_no_run_where_it_cannot_be_announced(
    redis_client: Redis, redis_url: str
) -> None:
    """Who waits looks for it after a while, without having heard of it."""
    with Cut.from_url(redis_url) as cut:
        for text in ("first", "second"):
            Ledger(cut, lambda _: None).answer(Answer("celery-task-meta-a", text, 60))
    assert redis_client.get("celery-task-meta-a") == "first"
    assert 0 < redis_client.ttl("celery-task-meta-a") <= 60


def test_a_run_is_told_what_earlier_ones_left(driven: DrivenLedger, redis_client: Redis) -> None:
    run = driven.taken(101)
    assert (run.landed, run.fail, run.since, run.detached) == ("", "", None, "")
    driven.say("retry", run, "", 0, "busy")
    redis_client.hset(f"phoenix:t:{run.id}", "state", "queued")
    link = driven.replaced(driven.claim(run.id), "clone", 101)
    driven.say("land", link, f"{link.id[:-4]}next", 0, driven._entry(link, "configure", 101), '{"a":1}', "")
    redis_client.hset(f"phoenix:t:{link.id}", mapping={"state": "queued", "since": "5.5"})
    redis_client.hset(f"phoenix:job:{run.id}", mapping={"cancel": "c", "detached": "d", "created": "7.5"})
    again = driven.claim(link.id)
    assert (again.landed, again.fail, again.since) == ('{"a":1}', "c", 5.5)
    assert (again.detached, again.created) == ("d", 7.5)
    redis_client.hset(f"phoenix:t:{link.id}", mapping={"state": "queued", "fail": "f"})
    assert driven.claim(link.id).fail == "f"


def test_a_worker_gives_back_only_what_is_its_own(driven: DrivenLedger, redis_client: Redis) -> None:
    run = driven.taken(101)
    redis_client.sadd("phoenix:runs:w2", run.id)
    assert driven.ledger.call("disown", run.id, run.number, "w2", 0) == ["stale"]
    assert driven.ledger.call("disown", run.id, "9", "w1", 0) == ["stale"]
    assert (fields(redis_client, run.id, "state"), redis_client.exists("phoenix:runs:w2")) == (["running"], 0)
    assert redis_client.sismember("phoenix:runs:w1", run.id)
    assert driven.ledger.call("disown", run.id, run.number, "w1", 0) == ["due"]
    assert (due_in(redis_client, run.id) or 0) <= 1, "Redis tells whole seconds"


def test_what_troubled_a_run_is_forgotten_once_it_comes_forward(driven: DrivenLedger, redis_client: Redis) -> None:
    run = driven.taken(101)
    trouble: dict[Any, Any] = {"idle": 2, "tries": 3, "since": 5}
    for reads in ("", '{"looked":"1"}'):
        redis_client.hset(f"phoenix:t:{run.id}", mapping=trouble)
        if reads:
            driven.say("intend", run, reads, "step")
        else:
            driven.say("journal", run, reads, "step", "1", "")
        assert fields(redis_client, run.id, "idle", "tries", "since") == ["0", "0", None]
    assert redis_client.hget(f"phoenix:j:{run.id}", "looked") == "1"


def test_a_condemned_task_that_unwinds_is_heard(driven: DrivenLedger) -> None:
    run = condemned(driven)
    assert driven.say("hold", run, "", RESUME_QUEUE, "ct/900", 1, "") == "condemned"
    assert driven.say("unwind", run, "") == "unwinding"
    assert driven.hold(run, "ct/900") == "held"


def test_who_parks_is_run_by_nobody(driven: DrivenLedger, redis_client: Redis) -> None:
    run = driven.taken(101)
    redis_client.hset(f"phoenix:t:{run.id}", "idle", 3)
    assert driven.wait(run, "upid/x", "x") == "parked"
    assert fields(redis_client, run.id, "by", "nonce", "idle") == [None, None, "0"]
    assert not redis_client.exists("phoenix:runs:w1")
    driven.ledger.call("set_aside", run.id, "why")
    assert not redis_client.exists("phoenix:parked"), "it waits for nothing any more"


@pytest.mark.parametrize(("queue", "why"), [("celery", "its queue is not one of ours"), ("phoenix.x", "WRONGTYPE")])
def test_why_a_record_was_set_aside_is_told(driven: DrivenLedger, redis_client: Redis, queue: str, why: str) -> None:
    run = driven.asked(101)
    redis_client.set("phoenix.x", "no list")
    redis_client.hset(f"phoenix:t:{run}", "queue", queue)
    redis_client.zadd("phoenix:due", {run: 1})
    Ledger(redis_client, lambda _: None).call("tick", "w1", 60.0, RESUME_QUEUE, 5, "", 6.0)
    assert why in fields(redis_client, run, "aside")[0]


@pytest.mark.parametrize(("chord", "after"), [(0, 3), (1, 6)])
def test_what_lost_its_child_process_waits_for_the_pause_or_the_lease(
    driven: DrivenLedger, redis_client: Redis, chord: int, after: float
) -> None:
    run = driven.taken(101)
    redis_client.hset(f"phoenix:t:{run.id}", "chord", chord)
    driven.ledger.call("lose", run.id, "w1", 2, "given up", 6, 3)
    assert due_in(redis_client, run.id) == pytest.approx(after, abs=1.5)
    assert fields(redis_client, run.id, "idle", "fail") == ["1", None]
    redis_client.hset(f"phoenix:t:{run.id}", "state", "queued")
    driven.claim(run.id)
    driven.ledger.call("lose", run.id, "w1", 2, "given up", 6, 3)
    assert fields(redis_client, run.id, "idle", "fail") == ["2", "given up"]


def test_a_tick_counts_what_it_took_from_the_dead(driven: DrivenLedger, redis_client: Redis) -> None:
    own, moved = driven.taken(101), driven.taken(102)
    redis_client.hset(f"phoenix:t:{moved.id}", "by", "w3")
    redis_client.zadd("phoenix:workers", {"w1": 1.0})
    told = driven.ledger.call("tick", "w2", 60.0, RESUME_QUEUE, 5, "", 6.0)
    assert (told[1], fields(redis_client, own.id, "on"), fields(redis_client, moved.id, "state")) == (
        1,
        [""],
        ["running"],
    )


def test_how_long_a_lock_was_waited_for_is_told_once(driven: DrivenLedger, redis_client: Redis) -> None:
    owner, waiter = driven.taken(101), driven.taken(102)

    def held(run: Run) -> list[Any]:
        return driven.ledger.call("hold", run.id, run.number, "", RESUME_QUEUE, "ct/900", 1, "")

    assert (held(owner), held(waiter)) == (["held", "0"], ["parked", ""])
    redis_client.hincrbyfloat(f"phoenix:t:{waiter.id}", "parked", -60)
    driven.say("release", owner, "", RESUME_QUEUE, "ct/900")
    again = driven.claim(waiter.id)
    verdict, waited = held(again)
    assert verdict == "held"
    assert float(waited) == pytest.approx(60, abs=3)
    assert held(again) == ["held", ""]


def test_who_lets_one_lock_go_keeps_its_others(driven: DrivenLedger, redis_client: Redis) -> None:
    run = driven.taken(101)
    for lock in ("ct/101", "ct/900", "node/pve1"):
        driven.hold(run, lock)
    driven.say("release", run, "", RESUME_QUEUE, "ct/900")
    assert fields(redis_client, run.id, "holds") == ["ct/101 node/pve1 "]
    driven.ended(run)
    assert not [*redis_client.scan_iter("phoenix:lock:*")]


def test_nobody_joins_a_run_that_begins_to_look(driven: DrivenLedger, redis_client: Redis) -> None:
    run = driven.taken(101)
    driven.say("join", run, "", "ensure 101", "1", "shared")
    driven.hold(run, "ct/101")
    assert redis_client.exists("phoenix:flight:ensure 101")
    driven.say("hold", run, "", RESUME_QUEUE, "ct/101", 1, "1")
    assert not redis_client.exists("phoenix:flight:ensure 101")
