"""What is left of a lock, a list or a journal goes on to count; what was deleted of them is entered again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_producer.contract import RESUME_QUEUE

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.still_ledger import StillLedger

WHY = {"message": "no", "cause": "cancelled", "remedy": ""}


def reconcile(still: StillLedger) -> None:
    still.call("reconcile", RESUME_QUEUE, 0, 0, 100, '{"cause": "forgotten"}')


def test_a_lock_with_two_places_has_two_when_one_is_given_back(still: StillLedger) -> None:
    runs = [still.taken(name) for name in ("a", "b", "c", "d")]
    assert [still.hold(run, "node/pve1", 2) for run in runs] == ["held", "held", "parked", "parked"]
    assert still.say("release", runs[0], "", RESUME_QUEUE, "node/pve1") == "released"
    assert (still.field("c", "state"), still.field("d", "state")) == ("queued", "parked")
    assert still.say("release", runs[1], "", RESUME_QUEUE, "node/pve1") == "released"
    assert still.field("d", "state") == "queued"


def test_a_step_that_is_taken_is_in_the_list_of_its_job_again(still: StillLedger, redis_client: Redis) -> None:
    still.taken("request")
    still.asked("step", job="request")
    redis_client.delete(still.key("job:request:members"))
    still.again("step")
    assert "step" in redis_client.smembers(still.key("job:request:members"))


def test_a_journal_that_lost_something_stays_one_that_did(still: StillLedger, redis_client: Redis) -> None:
    """However much is written in it since."""
    run = still.taken("a")
    assert still.say("journal", run, "", "read", "1", "") == "journalled"
    redis_client.delete(still.key("j:a"))
    assert [still.say("journal", run, "", step, "1", "") for step in ("x", "y", "z")] == ["journalled"] * 3
    assert still.call("intend", run.id, run.number, "", "start") == ["fresh", 1]


def test_who_waits_for_what_it_is_not_in_line_for_is_looked_at(still: StillLedger, redis_client: Redis) -> None:
    assert still.wait(still.taken("a"), "template/900") == "parked"
    reconcile(still)
    assert still.due_in("a") is None
    redis_client.delete(still.key("ev:template/900:w"))
    reconcile(still)
    assert still.due_in("a") == 0


def test_what_has_a_lock_says_so_in_its_record_again(still: StillLedger, redis_client: Redis) -> None:
    still.hold(still.taken("a"), "ct/101")
    redis_client.hset(still.key("t:a"), "holds", "")
    reconcile(still)
    assert still.field("a", "holds") == "ct/101 "
    reconcile(still)
    assert still.field("a", "holds") == "ct/101 "


def test_what_has_ended_is_not_ended_again_when_its_job_is_forgotten(still: StillLedger, redis_client: Redis) -> None:
    still.finish(still.taken("a"), "ok", None)
    redis_client.delete(still.key("job:a"))
    assert still.cancel("a", WHY) == ("over", "a")


def test_a_lock_that_is_made_again_has_all_its_places(still: StillLedger, redis_client: Redis) -> None:
    assert [still.hold(still.taken(name), "node/pve1", 2) for name in ("a", "b", "c")] == ["held", "held", "parked"]
    redis_client.delete(still.key("lock:node/pve1"))
    reconcile(still)
    assert redis_client.hget(still.key("capacities"), "node/pve1") == "2"
    assert redis_client.zcount(still.key("lock:node/pve1"), 0, 0) == 2
