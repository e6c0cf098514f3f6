"""Waiting for what was asked: results, failures and progress, without a worker and with one."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import redis

from phoenix_producer import (
    ContractError,
    DesiredState,
    EnsureFailed,
    EnsureResult,
    Failure,
    Outcome,
    Producer,
    ProgressKind,
    Unreachable,
)
from phoenix_producer.client.channel import forgotten
from phoenix_producer.client.handle import Handle, Handles
from phoenix_producer.client.link import Link
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_worker.commands.demo.embedded import RedisServer

# Celery 5.7 stores results with a call that redis-py 8 deprecates; ours do not.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

REFUSED, BROKEN, FORGOTTEN = 404, 500, 410
RESULT = {"request_id": "a", "ctid": 103, "node": "pve", "outcome": "created"}


def test_waiting_returns_the_result_whoever_stored_it(producer: Producer, results: Any) -> None:
    handle = producer.ensure(103)
    assert not handle.done()
    results.mark_as_done(handle.id, RESULT)
    assert handle.done()
    assert handle.wait() == EnsureResult(request_id="a", ctid=103, node="pve", outcome=Outcome.CREATED)


def test_a_task_that_has_only_started_is_not_done(producer: Producer, results: Any) -> None:
    handle = producer.ensure(103)
    results.mark_as_started(handle.id)
    assert not handle.done()
    with pytest.raises(TimeoutError, match=r"for CTID 103 has not ended in time; it goes on\."):
        handle.wait(0)


class SlowChannel:
    """Answers each request after a while; remembers for how long it was asked to wait."""

    def __init__(self) -> None:
        self.timeouts: list[float] = []

    def answer(self, _: str) -> None:
        return None

    def wait_for_answer(self, request_id: str, timeout: float) -> dict[str, Any]:
        self.timeouts.append(timeout)
        time.sleep(0.05)
        return {"status": "SUCCESS", "result": {**RESULT, "request_id": request_id}}


def test_a_timeout_is_for_all_together() -> None:
    channel: Any = SlowChannel()
    handles = [Handle(channel, str(number), 103, EnsureResult.model_validate) for number in range(3)]
    Handles(channel, handles).wait(timeout=60)
    first, second, third = channel.timeouts
    assert 60 >= first >= second + 0.05 >= third + 0.1, "each has what those before have left"


def test_threads_wait_at_once_and_leave_no_subscription(
    producer: Producer, results: Any, redis_client: redis.Redis
) -> None:
    before = set(redis_client.pubsub_channels())
    handles = producer.ensure_many(range(101, 117))
    with ThreadPoolExecutor(16) as threads:
        waiting = [threads.submit(handle.wait, 60) for handle in handles]
        wait_for(lambda: len(set(redis_client.pubsub_channels()) - before) == 16)
        for handle in handles:
            results.mark_as_done(handle.id, {**RESULT, "ctid": handle.ctid})
        assert [future.result().ctid for future in waiting] == list(range(101, 117))
    wait_for(lambda: set(redis_client.pubsub_channels()) <= before)


def test_a_wait_that_ran_out_leaves_no_subscription(producer: Producer, redis_client: redis.Redis) -> None:
    before = set(redis_client.pubsub_channels())
    with pytest.raises(TimeoutError):
        producer.ensure(103).wait(0.01)
    wait_for(lambda: set(redis_client.pubsub_channels()) <= before)


def test_a_redis_that_dies_while_one_waits_is_an_error(redis_server: RedisServer) -> None:
    with Producer(redis_server.url) as producer, ThreadPoolExecutor(1) as threads:
        handle = producer.ensure(103)
        waiting = threads.submit(handle.wait, 60)
        with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
            wait_for(client.pubsub_channels)
        redis_server.kill()
        with pytest.raises(Unreachable):
            waiting.result()


def test_a_revoked_request_has_failed(producer: Producer, results: Any) -> None:
    handle = producer.ensure(103)
    results.mark_as_revoked(handle.id, "revoked")
    with pytest.raises(EnsureFailed, match="CTID 103 ended as REVOKED: TaskRevokedError") as failed:
        handle.wait()
    assert failed.value.failure.cause == "revoked"


def test_a_failure_without_a_ctid_is_told_with_that_of_the_request(producer: Producer, results: Any) -> None:
    handle = producer.ensure(103)
    failure = Failure(request_id=handle.id, message="It was cancelled.", cause="cancelled", remedy="")
    results.mark_as_failure(handle.id, EnsureFailed.of(failure))
    with pytest.raises(EnsureFailed) as failed:
        handle.wait()
    assert failed.value.failure.ctid == 103


def test_an_answer_of_another_version_is_named(producer: Producer, results: Any) -> None:
    handle = producer.ensure(103)
    results.mark_as_done(handle.id, {**RESULT, "outcome": "melted"})
    with pytest.raises(ContractError, match="not one that this version understands"):
        handle.wait()


def test_an_answer_may_say_more_than_this_version_knows(producer: Producer, results: Any) -> None:
    handle = producer.ensure(103)
    results.mark_as_done(handle.id, {**RESULT, "color": "red"})
    assert handle.wait(timeout=60).ctid == 103


# --- with a worker


def test_a_handle_returns_what_the_worker_answered(answered: Producer) -> None:
    result = answered.ensure(103, state=DesiredState.STOPPED).wait(60)
    assert (result.ctid, result.outcome, result.node) == (103, Outcome.CREATED, "pve")
    assert result.not_applied == ("requester: the tests", "state: stopped")


def test_a_failure_says_what_the_worker_said(answered: Producer) -> None:
    with pytest.raises(EnsureFailed, match=r"CTID 404 is not ours\. Use --adopt\.") as failed:
        answered.ensure(REFUSED).wait(60)
    assert failed.value.failure.cause == "not-ours"


def test_a_worker_whose_code_breaks_is_a_failure_too(answered: Producer) -> None:
    with pytest.raises(EnsureFailed, match=r"RuntimeError.*the worker's own fault") as failed:
        answered.ensure(BROKEN).wait(60)
    assert failed.value.failure.cause == "unexpected"


def test_a_request_that_older_workers_do_not_know_says_so(redis_client: redis.Redis, redis_url: str) -> None:
    told = {"exc_type": "NotRegistered", "exc_message": ["phoenix.future"], "exc_module": "celery.exceptions"}
    with closing(Link(redis_url)) as link:
        handle = Handle(link, str(uuid4()), 103, str)
        redis_client.set(f"celery-task-meta-{handle.id}", json.dumps({"status": "FAILURE", "result": told}))
        with pytest.raises(EnsureFailed, match="they are older than the client"):
            handle.wait(0)


def test_a_request_that_was_forgotten_may_be_asked_for_again_under_its_id(
    redis_client: redis.Redis, redis_url: str
) -> None:
    """The end that a worker has stored for the lost one is not that of the new one."""
    with closing(Link(redis_url)) as link:
        handle = Handle(link, str(uuid4()), 103, str)
        redis_client.set(f"celery-task-meta-{handle.id}", json.dumps(forgotten(handle.id)))
        with pytest.raises(EnsureFailed, match="Redis was emptied"):
            handle.wait(0)
        link.send("phoenix.ensure", UUID(handle.id), [103], {})
        assert not handle.done()
        redis_client.set(f"celery-task-meta-{handle.id}", json.dumps({"status": "SUCCESS", "result": "made"}))
        assert handle.wait(0) == "made"


@pytest.mark.parametrize("case", ["it was asked after", "it was sent", "it was sent twice"])
@pytest.mark.parametrize("days", [0, 8, -8])
def test_a_request_that_is_lost_has_ended(
    redis_client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, case: str, days: int
) -> None:
    """Be the sender's clock set meanwhile."""
    with closing(Link(redis_url)) as link, closing(Link(redis_url)) as another:
        handle = Handle(link, str(uuid4()), 103, str)
        if case == "it was sent twice":
            another.send("phoenix.ensure", UUID(handle.id), [103], {})
        link.send("phoenix.ensure", UUID(handle.id), [103], {})
        assert case != "it was asked after" or not handle.done()
        redis_client.flushall()
        monkeypatch.setattr(time, "time", lambda now=time.time: now() + days * 86_400)
        with pytest.raises(EnsureFailed, match="Redis was emptied"):
            handle.wait(60)


@pytest.mark.parametrize("case", ["ended without an answer", "a week ago", "a user that may see it no more"])
def test_a_request_is_not_called_lost_that_may_have_ended_otherwise(
    redis_client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """Its record has run out since, as its result has, or cannot be read."""
    redis_client.execute_command("ACL", "SETUSER", "seer", "reset", "on", ">seen", "~*", "&*", "+@all")  # type: ignore[no-untyped-call]
    with closing(Link(redis_url.replace("://", "://seer:seen@"))) as link:
        handle = Handle(link, str(uuid4()), 103, str)
        link.send("phoenix.ensure", UUID(handle.id), [103], {})
        if case == "ended without an answer":
            redis_client.hset(f"phoenix:job:{handle.id}", "state", "done")
            assert not handle.done()
        if case == "a user that may see it no more":
            redis_client.execute_command("ACL", "SETUSER", "seer", "-hget")  # type: ignore[no-untyped-call]
        else:
            redis_client.delete(f"phoenix:job:{handle.id}")
        week = 7 * 24 * 3600 if case == "a week ago" else 0
        monkeypatch.setattr(time, "monotonic", lambda now=time.monotonic: now() + week)
        assert not handle.done()
    redis_client.acl_deluser("seer")


@pytest.mark.parametrize(
    "told", ["", "{", "[]", "7", "{}", '{"status": "SUCCESS"}', '{"status": [], "result": 1}', "[" * 5000]
)
def test_an_answer_that_was_overwritten_is_a_failure_once_the_request_has_ended(
    redis_client: redis.Redis, redis_url: str, told: str
) -> None:
    """It was a traceback."""
    with closing(Link(redis_url)) as link:
        handle = Handle(link, str(uuid4()), 103, str)
        link.send("phoenix.ensure", UUID(handle.id), [103], {})
        redis_client.set(f"celery-task-meta-{handle.id}", told)
        assert not handle.done(), "its end is still to come"
        redis_client.hset(f"phoenix:job:{handle.id}", "state", "done")
        with pytest.raises(EnsureFailed, match="another program has written over its answer"):
            handle.wait(0)


def test_a_request_whose_record_was_overwritten_is_waited_for(redis_client: redis.Redis, redis_url: str) -> None:
    """It is set aside, and `cancel` answers it."""
    with closing(Link(redis_url)) as link:
        handle = Handle(link, str(uuid4()), 103, str)
        redis_client.set(f"phoenix:job:{handle.id}", "x")
        assert not handle.done()


def test_many_are_waited_for_and_failures_come_together(answered: Producer) -> None:
    assert [result.ctid for result in answered.ensure_many([103, 101]).wait(60)] == [103, 101]
    handles = answered.ensure_many([103, REFUSED])
    with pytest.raises(ExceptionGroup, match="1 of 2 requests failed") as failed:
        handles.wait(60)
    assert failed.group_contains(EnsureFailed, match="404")
    assert [handle.ctid for handle in handles[:1]] == [103]


def test_plans_and_the_list_of_containers_are_requests_too(answered: Producer) -> None:
    assert answered.plan(103).wait(60).lines == ("clone 103 from 900",)
    assert [plan.ctid for plan in answered.plan_many([101, 103]).wait(60)] == [101, 103]
    assert answered.containers().wait(60) == [101, 103]


def test_progress_is_told_until_the_end(answered: Producer) -> None:
    handle = answered.ensure(103)
    history = list(handle.progress(60))
    kinds = ["requested", "step-started", "remote-task", "done"]
    assert [progress.kind for progress in history] == kinds
    assert {progress.ctid for progress in history} == {103}
    assert history[2].upid is not None
    assert list(handle.progress(60)) == history


def test_progress_of_a_failed_job_ends(answered: Producer) -> None:
    assert [*answered.ensure(REFUSED).progress(60)][-1].kind is ProgressKind.FAILED


def test_progress_of_many_tells_whose_it_is(answered: Producer) -> None:
    handles = answered.ensure_many([101, 103])
    ends = {progress.job for progress in handles.progress(60) if progress.kind is ProgressKind.DONE}
    assert ends == {handle.id for handle in handles}


def test_progress_ends_with_the_result_when_the_history_is_gone(answered: Producer) -> None:
    handle = answered.ensure(FORGOTTEN)
    assert ProgressKind.DONE not in [progress.kind for progress in handle.progress(60)]
    assert handle.done()


def test_progress_leaves_out_what_only_newer_versions_know(producer: Producer, redis_client: redis.Redis) -> None:
    handle = producer.ensure(103)
    for kind in ("teleported", "done"):
        redis_client.xadd(f"phoenix:job:{handle.id}:log", {"at": "1.0", "kind": kind})
    assert [progress.kind for progress in handle.progress(60)] == ["requested", "done"]


def test_progress_has_a_timeout(producer: Producer) -> None:
    with pytest.raises(TimeoutError):
        list(producer.ensure(103).progress(0.01))
