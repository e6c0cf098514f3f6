"""Small promises of the ledger, each of which somebody would miss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_producer.contract import QUEUE, RESUME_QUEUE, UPKEEP_QUEUE
from phoenix_worker.durable.ledger import Bell, Ledger
from phoenix_worker.durable.run import Answer, Run
from phoenix_worker.telemetry.ledger_metrics import LedgerCollector
from tests.integration.test_clock import keeper

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.driven_ledger import DrivenLedger

WHY = {"message": "no", "cause": "x", "remedy": ""}


def state(client: Redis, task_id: str) -> str:
    return str(client.hget(f"phoenix:t:{task_id}", "state"))


def test_what_a_worker_runs_as_it_ends_is_due_at_once(driven: DrivenLedger, redis_client: Redis) -> None:
    run = driven.taken(101)
    driven.ledger.call("farewell", "w1", 6.0)
    bells: list[Bell] = []
    Ledger(redis_client, bells.extend).call("tick", "w2", 60.0, RESUME_QUEUE, 5, "", 6.0)
    assert [bell.id for bell in bells] == [run.id], "nobody waits for its heartbeat to run out"
    assert redis_client.zscore("phoenix:workers", "w1") is None


def test_a_worker_says_farewell_as_it_ends(driven: DrivenLedger, redis_client: Redis) -> None:
    run = driven.taken(101)
    one = keeper(driven.ledger, "w1", {run.id})
    one.start()
    one.stop()
    assert (state(redis_client, run.id), redis_client.zcard("phoenix:workers")) == ("parked", 0)


def test_a_run_that_is_over_and_could_not_say_so_is_given_back(driven: DrivenLedger, redis_client: Redis) -> None:
    """Redis refused its end, and Celery counts it among what runs for as long as the worker lives."""
    run = driven.taken(101)
    one = keeper(driven.ledger, "w1", {run.id})
    for _ in range(3):
        one._tick()
        assert state(redis_client, run.id) == "running"
    one.leave(run)
    one._tick()
    one._tick()
    assert state(redis_client, run.id) == "parked"


def test_a_raised_capacity_is_filled_at_once(driven: DrivenLedger, redis_client: Redis) -> None:
    runs = [driven.taken(ctid) for ctid in (101, 102, 103, 104)]
    assert [driven.hold(run, "node/pve1") for run in runs[:3]] == ["held", "parked", "parked"]
    assert driven.hold(runs[3], "node/pve1", 4) == "held"
    assert [state(redis_client, run.id) for run in runs[1:3]] == ["queued", "queued"]


def test_of_several_locks_the_shortest_line_is_taken_and_kept(driven: DrivenLedger, redis_client: Redis) -> None:
    def shortest(run: Run, *lines: str | int) -> list[str]:
        return driven.ledger.call("hold_shortest", run.id, run.number, "", RESUME_QUEUE, *lines)[:3:2]

    runs = [driven.taken(ctid) for ctid in range(101, 108)]
    both = ("ct/900", 0, "ct/9100", 0)
    assert shortest(runs[0], *both) == ["held", "ct/900"]
    assert shortest(runs[1], *both) == ["held", "ct/9100"]
    assert [shortest(run, *both) for run in runs[2:4]] == [["parked", "ct/900"], ["parked", "ct/9100"]]
    assert shortest(runs[0], *both) == ["held", "ct/900"], "a second run finds it held"
    assert shortest(runs[4], "ct/900", 2, "ct/9101", 4) == ["parked", "ct/900"], "what is counted besides"
    assert shortest(runs[5], "ct/900", 2, "ct/9101", 4) == ["held", "ct/9101"]
    driven.ended(runs[0])
    assert redis_client.zscore("phoenix:lock:ct/900", runs[2].id) == 0
    again = driven.claim(runs[2].id)
    assert shortest(again, "ct/9102", 0, *both) == ["held", "ct/900"], "it stays in the line that it was in"


def test_the_wait_for_a_lock_takes_none_of_the_patience_with_trouble(driven: DrivenLedger, redis_client: Redis) -> None:
    builder, clone = driven.taken(900), driven.taken(101)
    assert driven.hold(clone, "ct/900") == "held"
    assert driven.say("release", clone, "", RESUME_QUEUE, "ct/900") == "released"
    assert driven.say("retry", clone, "", 0.0, "its node is silent") == "parked"
    assert driven.hold(builder, "ct/900") == "held"
    driven.ledger.call("tick", "w1", 60.0, RESUME_QUEUE, 5, "", 6.0)
    again = driven.claim(clone.id)
    assert again.since is not None
    assert driven.hold(again, "ct/900") == "parked"
    hour = 3600.0
    parked = float(redis_client.hget(f"phoenix:t:{clone.id}", "parked") or 0)
    redis_client.hset(f"phoenix:t:{clone.id}", "parked", parked - hour)
    assert driven.say("release", builder, "", RESUME_QUEUE, "ct/900") == "released"
    assert (driven.claim(clone.id).since or 0) - again.since == pytest.approx(hour, abs=60)


def test_an_older_generation_is_not_claimed(driven: DrivenLedger, redis_client: Redis) -> None:
    asked = driven.asked(101)
    redis_client.hset(f"phoenix:t:{asked}", "gen", 1)
    assert driven.ledger.claim(asked, 0, "w1", lambda: "") == "generation 1"
    assert state(redis_client, asked) == "queued"


def test_a_coalesced_request_with_more_to_do_than_answer_runs(driven: DrivenLedger, redis_client: Redis) -> None:
    """It has an errback, say. One that only wants the answer is given it."""
    leader, plain, with_errback = (driven.taken(101) for _ in range(3))
    said = [
        driven.say("join", run, "", "ensure 101", "1" if run is not with_errback else "0", "shared")
        for run in (leader, plain, with_errback)
    ]
    assert said == ["lead", "parked", "parked"]
    leader.answer = Answer(f"celery-task-meta-{leader.id}", "{}", 60)
    driven.ledger.finish(leader, "failed", WHY)
    assert [state(redis_client, run.id) for run in (plain, with_errback)] == ["parked", "queued"]
    driven.ledger.call("tick", "w1", 60.0, RESUME_QUEUE, 5, "", 6.0)
    assert [state(redis_client, run.id) for run in (plain, with_errback)] == ["done", "queued"]


def test_messages_of_every_priority_are_counted(driven: DrivenLedger, redis_client: Redis) -> None:
    driven.asked(101)
    redis_client.lpush(f"{QUEUE}\x06\x163", "{}")
    redis_client.lpush(f"{QUEUE}\x06\x169", "{}", "{}")
    families = {family.name: family for family in LedgerCollector(driven.ledger).collect()}
    counted = {sample.labels["queue"]: sample.value for sample in families["phoenix_queue_length"].samples}
    assert counted[QUEUE] == 4


def test_workers_are_counted_by_the_queues_that_they_take_from(driven: DrivenLedger, redis_client: Redis) -> None:
    """One that tells nothing takes from all, as one of an earlier version does."""
    for worker, queues in {"w1": "", "w2": f"{RESUME_QUEUE} {QUEUE}", "w3": RESUME_QUEUE}.items():
        driven.ledger.call("tick", worker, 60.0, RESUME_QUEUE, 5, "", 6.0, "", "", "", "", queues)
    families = {family.name: family for family in LedgerCollector(driven.ledger).collect()}
    counted = {sample.labels["queue"]: sample.value for sample in families["phoenix_queue_workers"].samples}
    assert counted == {RESUME_QUEUE: 3, QUEUE: 2, UPKEEP_QUEUE: 1}
    driven.ledger.call("farewell", "w1", 6.0)
    redis_client.hset("phoenix:queues", "w1", RESUME_QUEUE)  # as a worker that was killed after it had said so
    assert driven.ledger.counts([]).takers == {RESUME_QUEUE: 2, QUEUE: 1, UPKEEP_QUEUE: 0}
    driven.ledger.call("tick", "w3", 60.0, RESUME_QUEUE, 5, "", 6.0)
    assert redis_client.hgetall("phoenix:queues") == {"w2": f"{RESUME_QUEUE} {QUEUE}"}
    driven.ledger.call("farewell", "w2", 6.0)
    assert redis_client.exists("phoenix:queues") == 0


def test_a_scrape_tells_of_each_lane_who_waits_and_since_when_it_is_held(
    driven: DrivenLedger, redis_client: Redis
) -> None:
    first, second = driven.taken(101), driven.taken(102)
    assert (driven.hold(first, "ct/900"), driven.hold(second, "ct/900")) == ("held", "parked")
    redis_client.hincrbyfloat("phoenix:held", "ct/900", -60)

    def lanes() -> dict[str, dict[str, float]]:
        families = LedgerCollector(driven.ledger, lambda: (900, 901)).collect()
        told = {family.name: family.samples for family in families if family.name.startswith("phoenix_lane")}
        return {name: {one.labels["template"]: one.value for one in samples} for name, samples in told.items()}

    seen = lanes()
    assert seen["phoenix_lane_queue_length"] == {"900": 1, "901": 0}
    assert 59 <= seen["phoenix_lane_held_seconds"]["900"] <= 90
    driven.ended(first)
    assert lanes()["phoenix_lane_held_seconds"]["900"] < 30, "it has another holder"
    driven.ended(driven.claim(second.id))
    assert lanes()["phoenix_lane_held_seconds"] == {"900": 0, "901": 0}
    assert not redis_client.exists("phoenix:held", "phoenix:capacities")
