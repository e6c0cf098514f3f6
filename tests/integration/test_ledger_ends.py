"""What the ledger has of a task that ended, and no longer has: small promises of single lines of its scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from phoenix_producer.contract import RESUME_QUEUE
from phoenix_worker.durable.run import Answer

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.driven_ledger import DrivenLedger


def test_an_end_is_stored_where_its_requester_looks_and_in_its_job(driven: DrivenLedger, redis_client: Redis) -> None:
    run = driven.taken(101)
    run.answer = Answer(f"celery-task-meta-{run.id}", '{"a": 1}', 60)
    driven.ledger.finish(run, "ok", {"outcome": "created", "cause": "c" * 100})
    assert redis_client.get(f"celery-task-meta-{run.id}") == '{"a": 1}'
    assert 0 < redis_client.ttl(f"celery-task-meta-{run.id}") <= 60
    assert redis_client.hmget(f"phoenix:job:{run.id}", "outcome", "cause") == ["created", "c" * 64]


def test_nobody_joins_a_run_that_ended(driven: DrivenLedger, redis_client: Redis) -> None:
    run = driven.taken(101)
    assert driven.say("join", run, "", "ensure 101", "1", "shared") == "lead"
    assert len(list(redis_client.scan_iter("phoenix:flight:*"))) == 1
    driven.ledger.finish(run, "ok", None)
    assert list(redis_client.scan_iter("phoenix:flight:*")) == []


def test_a_waiter_that_is_cancelled_stands_in_no_line(driven: DrivenLedger, redis_client: Redis) -> None:
    owner, waiter = driven.taken(101), driven.taken(102)
    assert [driven.hold(run, "ct/900") for run in (owner, waiter)] == ["held", "parked"]
    driven.ledger.cancel(waiter.id, {"cause": "cancelled"})
    assert redis_client.zrange("phoenix:lock:ct/900", 0, -1) == [owner.id]


def test_what_was_read_is_kept_when_a_lock_is_let_go(driven: DrivenLedger, redis_client: Redis) -> None:
    run = driven.taken(101)
    driven.hold(run, "ct/900")
    driven.say("release", run, json.dumps({"looked": "1"}), RESUME_QUEUE, "ct/900")
    assert redis_client.hgetall(f"phoenix:j:{run.id}") == {"looked": "1"}
    assert redis_client.exists("phoenix:lock:ct/900") == 0
