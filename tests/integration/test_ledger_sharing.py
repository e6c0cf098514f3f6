"""A run that several requests share: who leads it, who may join, and when it is wanted by nobody any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_producer.contract import RESUME_QUEUE
from phoenix_worker.durable.run import Answer

if TYPE_CHECKING:
    from redis import Redis

    from phoenix_worker.durable.run import Run
    from tests.support.still_ledger import StillLedger

WHY = {"message": "no", "cause": "cancelled", "remedy": ""}


def share(still: StillLedger, *runs: Run, plain: str = "1") -> list[str]:
    return [still.say("join", run, "", "ensure 101", plain, "shared") for run in runs]


def test_a_run_goes_on_until_the_last_who_wants_it_is_gone(still: StillLedger) -> None:
    leader, second, third = (still.taken(name) for name in ("leader", "second", "third"))
    assert share(still, leader, second, third) == ["lead", "parked", "parked"]
    assert still.cancel("leader", WHY) == ("detached", "leader")
    assert still.told("leader")[-1][0] == "cancelled"
    for follower in ("second", "third"):
        assert still.say("hold", leader, "", RESUME_QUEUE, "lane", 1, "") == "held"
        assert still.cancel(follower, WHY) == ("detached", follower)
        still.finish(still.again(follower), "cancelled", WHY)
    assert still.say("hold", leader, "", RESUME_QUEUE, "lane", 1, "") == "condemned"


def test_a_run_that_its_requester_wants_goes_on_without_the_others(still: StillLedger) -> None:
    leader, second = still.taken("leader"), still.taken("second")
    share(still, leader, second)
    still.cancel("second", WHY)
    still.finish(still.again("second"), "cancelled", WHY)
    assert still.hold(leader, "lane") == "held"
    assert still.cancel("leader", WHY) == ("cancelled", "leader"), "nobody shares it any more"


def test_who_was_cancelled_leads_nobody_and_takes_nothing_from_who_does(
    still: StillLedger, redis_client: Redis
) -> None:
    first, second, third = (still.taken(name) for name in ("first", "second", "third"))
    share(still, first)
    still.cancel("first", WHY)
    assert share(still, second) == ["lead"]
    assert 0 < redis_client.ttl("phoenix:flight:ensure 101") <= 604800
    still.finish(first, "cancelled", WHY)
    assert share(still, second, third) == ["lead", "parked"]


def test_who_shared_a_run_without_an_answer_runs_by_itself(still: StillLedger) -> None:
    leader, second = still.taken("leader"), still.taken("second")
    share(still, leader, second)
    still.finish(leader, "ok", {"outcome": "created"})
    assert (still.field("second", "state"), still.queues) == ("queued", {"second": RESUME_QUEUE})
    assert share(still, still.again("second")) == ["known"]


def test_who_waits_is_woken_to_hear_that_its_job_was_cancelled(still: StillLedger, redis_client: Redis) -> None:
    request = still.taken("request")
    parked, running = still.taken("parked", job="request"), still.taken("running", job="request")
    still.wait(parked, "upid/x", '{"class":"c"}', 5)
    for _ in range(2):
        assert still.cancel("parked", WHY) == ("cancelled", "request")
    assert still.rung == ["parked"]
    assert not redis_client.exists("phoenix:ev:upid/x:w", "phoenix:watch", "phoenix:watched")
    assert (still.say("looked", running, "1/2"), still.say("hold", request, "", RESUME_QUEUE, "lane", 1, "")) == (
        "condemned",
        "condemned",
    )
    assert still.note_looked(running, 2, 2) is not None
    assert redis_client.hget("phoenix:job:request", "looked") == "2/2"


@pytest.mark.parametrize("place", ["somebody's", "phoenix:t:leader", "celery-task-meta-other", "phoenix:x-leader"])
def test_an_answer_is_given_in_the_place_of_its_own_request_alone(
    place: str, still: StillLedger, redis_client: Redis
) -> None:
    """Whatever somebody wrote into the record: another key is not touched, and the request is set aside."""
    leader, second = still.taken("leader"), still.taken("second")
    share(still, leader, second)
    leader.answer = Answer("celery-task-meta-leader", "{}", 60)
    still.finish(leader, "ok", {"outcome": "created"})
    redis_client.hset("phoenix:job:leader:answer", "place", place)
    before = {key: redis_client.type(key) for key in redis_client.scan_iter("*")}
    assert still.tick()[3] == []
    assert still.field("second", "state") == "aside"
    written = {key for key in redis_client.scan_iter("*") if redis_client.type(key) != before.get(key)}
    assert written == {"phoenix:aside", "phoenix:ticked", "phoenix:ticks"}
