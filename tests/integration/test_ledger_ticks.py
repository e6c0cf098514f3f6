"""What a tick finds, sends again, moves and mends, to the second: its clock stands still."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer.contract import QUEUE, RESUME_QUEUE, UPKEEP_QUEUE
from phoenix_worker.durable.message_form import message
from phoenix_worker.durable.run import Answer
from tests.support.still_ledger import AT, lasting

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.still_ledger import StillLedger

HOUR = 3600.0
QUEUES = (QUEUE, UPKEEP_QUEUE, RESUME_QUEUE)


def test_a_tick_tells_when_the_next_is_due_and_what_its_worker_runs(still: StillLedger, redis_client: Redis) -> None:
    assert still.tick() == ["", 0, 0, [], f"{AT:.6f}", "0", 1, []]
    run = still.taken("request")
    still.asked("waiting")
    still.at(0.5)
    assert still.tick() == ["1.500000", 0, 0, [], f"{AT + 0.5:.6f}", "0", 2, ["request", run.number]]
    assert redis_client.get("phoenix:ticked") == f"{AT + 0.5:.6f}"
    assert still.score("workers", "w1") == 0.5


def test_a_lost_message_is_sent_again_ever_more_seldom(still: StillLedger) -> None:
    still.asked("request")
    due = [still.due_in("request") or 0.0]
    for _ in range(6):
        still.at(due[-1])
        assert still.tick()[2] == 1
        due.append(still.due_in("request") or 0.0)
    assert [after - before for before, after in pairwise(due)] == [4, 8, 16, 32, 60, 60]
    assert still.rung == ["request"] * 6


def test_a_late_one_is_looked_at_soon_in_a_short_queue(still: StillLedger, redis_client: Redis) -> None:
    still.asked("request")
    for length, pause in ((1, 0.52), (100, 2.5), (5000, 60)):
        redis_client.lpush(QUEUE, *["{}"] * (length - redis_client.llen(QUEUE)))
        redis_client.zadd("phoenix:due", {"request": AT})
        still.tick()
        assert (still.due_in("request"), still.rung) == (pause, [])


def test_a_tick_serves_two_hundred(still: StillLedger) -> None:
    for number in range(203):
        still.asked(f"t{number:03}")
    still.at(2)
    assert (still.tick()[2], len(still.rung)) == (200, 200)
    assert still.tick()[2] == 3


@pytest.mark.parametrize(("oldest", "lost"), [("second", True), ("first", False), ("unknown", False)])
def test_what_is_next_in_a_queue_proves_what_is_lost(
    oldest: str, lost: bool, still: StillLedger, redis_client: Redis
) -> None:
    for name in ("first", "second"):
        still.asked(name)
    redis_client.lpush(QUEUE, json.dumps(message("phoenix.ensure", QUEUE, oldest)), "{}")
    redis_client.zrem("phoenix:due", "second")
    still.at(2)
    still.tick()
    assert (still.rung == ["first"]) is lost


@pytest.mark.parametrize("strange", ["[]", "[1]", "5", '"x"', '{"headers": []}', '{"headers": {"id": 5}}', "{"])
def test_a_message_that_cannot_be_read_proves_nothing(strange: str, still: StillLedger, redis_client: Redis) -> None:
    still.asked("request")
    redis_client.lpush(QUEUE, strange)
    still.at(2)
    still.tick()
    assert (still.rung, redis_client.exists("phoenix:aside")) == ([], 0)


@pytest.mark.parametrize(("ttl", "dead"), [(20.0, False), (19.999, True)])
def test_who_is_dead_was_silent_for_the_ttl(ttl: float, dead: bool, still: StillLedger, redis_client: Redis) -> None:
    run = still.taken("request")
    still.at(20)
    assert still.tick("w2", ttl=ttl + 0.0005)[1] == int(dead)
    assert (still.score("workers", "w1") is None) is dead
    assert bool(redis_client.exists("phoenix:runs:w1")) is not dead
    if dead:
        assert (still.field(run.id, "idle"), still.rung) == ("1", ["request"])


def test_a_death_has_looked_at_what_is_queued_but_not_at_what_came_just_now(
    still: StillLedger, redis_client: Redis
) -> None:
    for name in ("repeated", "older", "fresh"):
        still.at({"repeated": -8, "older": -1, "fresh": -0.999}[name])
        still.asked(name)
    redis_client.hset("phoenix:t:repeated", "rings", 3)
    redis_client.zadd("phoenix:due", {"repeated": AT + 30})
    redis_client.zadd("phoenix:workers", {"w2": 1})
    still.at(0)
    still.tick()
    assert sorted(still.rung) == ["older", "repeated"]
    assert (still.due_in("fresh"), still.due_in("repeated"), still.field("repeated", "rings")) == (1.001, 4.0, "1")


@pytest.mark.parametrize("why", ["a death", "went back"])
def test_what_may_be_lost_with_either_is_looked_at_until_that_is_proved(
    why: str, still: StillLedger, redis_client: Redis
) -> None:
    """It was sent again four times, and is due in half a minute; whoever had fetched it is dead, or was refused."""
    for name in ("ahead", "repeated", "behind"):
        still.asked(name)
    redis_client.hset("phoenix:t:repeated", "rings", 4)
    redis_client.zadd("phoenix:due", {"repeated": AT + 30, "ahead": AT + 60, "behind": AT + 60})
    redis_client.lpush(QUEUE, json.dumps(message("phoenix.ensure", QUEUE, "ahead")))
    redis_client.zadd("phoenix:workers", {"w2": AT if why == "went back" else 1})
    redis_client.set("phoenix:ticks", 6)
    still.tick("w1", f"{AT:.6f}", 0, "0", 7 if why == "went back" else 6)
    assert (still.rung, still.field("repeated", "rings")) == ([], "0")
    still.at(still.due_in("repeated") or 0.0)
    assert still.due_in("repeated") == 0.52
    still.again("behind")
    still.tick()
    assert still.rung == ["repeated"]


def moved(still: StillLedger, by: float, fresh: float = 10.0) -> None:
    """A tick notices that the clock was set, `fresh` seconds after this worker's last."""
    still.tick()
    still.at(by + fresh)
    still.tick("w1", f"{AT:.6f}", fresh, "0", ttl=6.0)


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_whatever_is_open_keeps_its_distance_from_now(still: StillLedger, redis_client: Redis, by: float) -> None:
    sleeper, follower = still.taken("sleeper"), still.taken("waiter")
    still.say("retry", still.taken("retrying"), "", 30, "busy")
    still.say("sleep", sleeper, "", 0, 90)
    still.say("intend", follower, "", "step")
    still.wait(follower, "upid/x", json.dumps({"class": "c"}), 40)
    still.hold(still.taken("owner"), "lane")
    redis_client.hset("phoenix:watched", mapping={"upid/y": "5", "upid/z": "{}"})
    redis_client.zadd("phoenix:workers", {"w1": AT, "w2": AT + 5})
    redis_client.set("phoenix:watch:turn", "w2", ex=9)
    moved(still, by)
    assert (still.due_in("retrying"), still.due_in("sleeper")) == (by + 30, by + 90)
    assert still.score("watch", "upid/x") == by + 40
    assert [still.score("open", name) for name in ("sleeper", "waiter")] == [by, by]
    assert (still.score("workers", "w1"), still.score("workers", "w2")) == (by + 10, by + 5)
    at = f"{AT + by:.6f}"
    assert redis_client.hmget("phoenix:t:retrying", "since", "begun", "parked") == [at, at, at]
    assert redis_client.hget("phoenix:j:sleeper", "~0") == f"{AT + by + 90:.6f}"
    assert redis_client.hget("phoenix:j:waiter", "?step") == f"{AT:.6f}", "an intent is when it was, by any clock"
    assert redis_client.hget("phoenix:job:sleeper", "created") == at
    assert redis_client.hget("phoenix:held", "lane") == at
    assert json.loads(redis_client.hget("phoenix:watched", "upid/x") or "")["since"] == at
    assert redis_client.hmget("phoenix:watched", "upid/y", "upid/z") == ["5", "{}"]
    assert float(redis_client.get("phoenix:set") or 0) == by
    assert not redis_client.exists("phoenix:watch:turn")


@pytest.mark.parametrize(
    ("by", "later", "moves"),
    [(HOUR, HOUR - 0.001, True), (HOUR, HOUR, False), (-HOUR, 0, True), (-HOUR, -HOUR / 2 + 10, True),
     (-HOUR, -HOUR / 2 + 9.999, False), (-HOUR, -HOUR, False), (-HOUR, -HOUR - 0.001, True)],
)  # fmt: skip
def test_what_was_written_since_the_clock_was_set_stays(
    still: StillLedger, redis_client: Redis, by: float, later: float, moves: bool
) -> None:
    """`later` is when it was written, ten seconds before the tick that notices."""
    still.asked("request")
    redis_client.zadd("phoenix:due", {"request": AT + later})
    redis_client.hset("phoenix:job:request", "created", f"{AT + later:.6f}")
    moved(still, by)
    assert (redis_client.hget("phoenix:job:request", "created") == f"{AT + later + by:.6f}") is moves


@pytest.mark.parametrize(("by", "set_by"), [(5.0, None), (5.001, 5.001), (-5.0, None), (-5.001, -5.001)])
def test_less_than_five_seconds_is_no_clock_that_was_set(
    still: StillLedger, redis_client: Redis, by: float, set_by: float | None
) -> None:
    moved(still, by)
    told = redis_client.get("phoenix:set")
    assert (None if told is None else float(str(told))) == set_by


def test_of_a_long_ttl_half_is_a_pause(still: StillLedger, redis_client: Redis) -> None:
    still.tick()
    still.at(39)
    still.tick("w1", f"{AT:.6f}", 9, "0", ttl=60.0)
    assert redis_client.get("phoenix:set") is None
    still.at(39 + 30.5)
    still.tick("w1", f"{AT + 39:.6f}", 0, "0", ttl=60.0)
    assert float(redis_client.get("phoenix:set") or 0) == 30.5


def test_one_worker_sets_the_clock_for_all(still: StillLedger, redis_client: Redis) -> None:
    """Another that ticks later learns by `set` that it is done."""
    for worker in ("w1", "w2"):
        still.tick(worker)
    still.at(HOUR)
    for worker in ("w1", "w2"):
        still.tick(worker, f"{AT:.6f}", 0, "0")
    assert float(redis_client.get("phoenix:set") or 0) == HOUR


@pytest.mark.parametrize(("back", "set_by"), [(30.0, None), (30.5, -30.5)])
def test_a_last_tick_that_is_still_to_come_tells_a_new_worker(
    still: StillLedger, redis_client: Redis, back: float, set_by: float | None
) -> None:
    still.tick()
    still.at(-back)
    still.tick("w2", "")
    told = redis_client.get("phoenix:set")
    assert (None if told is None else float(str(told))) == set_by
    assert redis_client.get("phoenix:ticked") == f"{AT - back:.6f}"


@pytest.mark.parametrize("value", ["x", "1.5", "1" * 16, "-", ""])
def test_counters_that_are_none_begin_anew(value: str, still: StillLedger, redis_client: Redis) -> None:
    for name in ("ticks", "seq", "reserved", *(f"pos:{queue}" for queue in QUEUES)):
        redis_client.set(f"phoenix:{name}", value)
    for name in ("ticked", "set"):
        redis_client.set(f"phoenix:{name}", value if value not in ("1.5", "1" * 16) else "1" * 24)
    redis_client.hset("phoenix:claimed", mapping={QUEUE: "7", UPKEEP_QUEUE: value})
    redis_client.hset("phoenix:parked", mapping={"upid": value, "lock": "-3"})
    assert still.tick()[5:7] == ["0", int(AT * 1000) + 1]
    assert redis_client.mget("phoenix:seq", "phoenix:reserved") == [f"{AT * 1000:.0f}"] * 2
    assert redis_client.mget(f"phoenix:pos:{one}" for one in QUEUES) == ["7", "0", "0"]
    assert redis_client.hgetall("phoenix:claimed") == {QUEUE: "7"}
    assert redis_client.hgetall("phoenix:parked") == {"lock": "-3"}


def test_counters_that_are_numbers_go_on(still: StillLedger, redis_client: Redis) -> None:
    most, long = "1" * 15, f"-{'1' * 22}"
    for name in ("ticks", "seq", "reserved", *(f"pos:{queue}" for queue in QUEUES)):
        redis_client.set(f"phoenix:{name}", most)
    redis_client.set("phoenix:set", long)
    redis_client.hset("phoenix:claimed", mapping={QUEUE: "-7"})
    assert still.tick()[5:7] == [long, int(most) + 1]
    assert redis_client.mget("phoenix:seq", f"phoenix:pos:{QUEUE}") == [most, most]
    assert redis_client.hgetall("phoenix:claimed") == {QUEUE: "-7"}


@pytest.mark.parametrize(("left", "stays"), [(None, False), (60_900, False), (59_900, True)])
def test_a_turn_lasts_a_minute_at_most(left: int | None, stays: bool, still: StillLedger, redis_client: Redis) -> None:
    redis_client.set("phoenix:watch:turn", "w2", px=left)
    still.tick()
    assert bool(redis_client.exists("phoenix:watch:turn")) is stays


def test_who_shares_a_run_is_given_its_answer_by_a_tick(still: StillLedger, redis_client: Redis) -> None:
    leader, follower = still.taken("the-leader"), still.taken("the-follow")
    for run in (leader, follower):
        still.say("join", run, "", "ensure 101", "1", "")
    still.at(4)
    leader.answer = Answer("celery-task-meta-the-leader", '{"id": "the-leader"}', 86_400)
    still.finish(leader, "ok", {"outcome": "created", "message": "the-leader made 100 % of it"})
    still.at(5)
    given = still.tick()[3]
    assert given == [
        ["the-follow", "ok", "phoenix.ensure", "101", "", "5.000000", [None, None, None, "5", *[None] * 3]]
    ]
    assert redis_client.get("celery-task-meta-the-follow") == '{"id": "the-follow"}'
    assert redis_client.ttl("celery-task-meta-the-follow") == lasting(86_400)
    told = json.loads(json.loads(redis_client.get("phoenix:ev:job/the-follow") or "")["value"])
    assert told["message"] == "the-follow made 100 % of it"
    assert still.told("the-follow")[-1] == ("done", "")
    entries: Any = redis_client.xrevrange("phoenix:events", count=1)
    assert (entries[0][1]["job"], entries[0][1]["message"]) == ("the-follow", "the-follow made 100 % of it")


def test_a_look_is_put_off_from_now_on_and_only_one_that_somebody_waits_for(still: StillLedger) -> None:
    still.wait(still.taken("request"), "upid/x", json.dumps({"class": "clone"}), 4)
    still.at(10)
    for event in ("upid/x", "upid/y"):
        still.call("look_later", event, 30)
    assert (still.score("watch", "upid/x"), still.score("watch", "upid/y")) == (40.0, None)


def test_what_others_wrote_in_the_place_of_the_server_keeps_no_worker_from_its_start(
    still: StillLedger, redis_client: Redis
) -> None:
    redis_client.rpush("phoenix:server", "x")
    still.call("meet", "this one", 300)
    assert redis_client.get("phoenix:server") == "this one"
