from __future__ import annotations

import base64
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import redis
from celery import Celery
from celery._state import get_current_app
from celery.signals import before_task_publish
from kombu import pools

from phoenix_producer import (
    ContractError,
    DesiredState,
    EnsureFailed,
    EnsureResult,
    Failure,
    Outcome,
    Plan,
    Producer,
    ProgressKind,
    Unreachable,
)
from tests.support.waiting import wait_for
from tests.support.worker import ROOT, StartWorker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phoenix_worker.commands.embedded import RedisServer

# Celery 5.7 stores results with a call that redis-py 8 deprecates; ours do not.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

REFUSED, BROKEN, FORGOTTEN = 404, 500, 410
RESULT = {"request_id": "a", "ctid": 103, "node": "pve", "outcome": "created"}
SOME_ID = "7d8c1a52-6a5e-4a0e-9a6e-2f9f3f0c1b11"


@pytest.fixture
def producer(redis_url: str) -> Iterator[Producer]:
    with Producer(redis_url, requester="the tests") as producer:
        yield producer


@pytest.fixture
def results(redis_url: str) -> Iterator[Any]:
    """Celery's own result backend, as workers use it."""
    with other_app("worker", redis_url) as app:
        yield app.backend


@pytest.fixture
def answered(answering_url: str) -> Iterator[Producer]:
    """A producer whose requests are answered."""
    with Producer(answering_url, requester="the tests") as producer:
        yield producer


@pytest.fixture
def answering_client(answering_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(answering_url, decode_responses=True) as client:
        yield client


@contextmanager
def other_app(name: str, url: str) -> Iterator[Any]:
    app: Any = Celery(name, broker=url, backend=url, set_as_current=False)
    with app:
        yield app
        pools.reset()
        app.backend.result_consumer.stop()
        app.backend.client.close()


def queued(client: redis.Redis, queue: str = "phoenix.ensure") -> list[dict[str, Any]]:
    messages = [json.loads(message) for message in client.lrange(queue, 0, -1)]
    return [{**message["headers"], "body": json.loads(base64.b64decode(message["body"]))} for message in messages]


def recorded(client: redis.Redis) -> list[str]:
    return sorted(str(key).removeprefix("phoenix:t:") for key in client.keys("phoenix:t:*"))


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


# --- sending


def test_a_request_is_recorded_and_queued_under_one_id(producer: Producer, redis_client: redis.Redis) -> None:
    handle = producer.ensure(103, adopt=True, state="stopped")
    (message,) = queued(redis_client)
    assert (message["task"], message["id"], message["phoenix_job"]) == ("phoenix.ensure", handle.id, handle.id)
    assert message["body"][:2] == [[103], {"adopt": True, "state": "stopped", "requester": "the tests"}]
    assert recorded(redis_client) == [handle.id]
    job = redis_client.hgetall(f"phoenix:job:{handle.id}")
    assert (job["subject"], job["requester"], job["state"]) == ("103", "the tests", "open")
    assert redis_client.zscore("phoenix:due", handle.id) is not None


def test_the_record_is_the_message_that_is_sent(producer: Producer, redis_client: redis.Redis) -> None:
    handle = producer.ensure(103)
    stored = redis_client.hgetall(f"phoenix:t:{handle.id}")
    (sent,) = queued(redis_client)
    assert json.loads(stored["body"]) == sent.pop("body")
    assert json.loads(stored["headers"]) == sent


@pytest.mark.parametrize("wrong", [{"ctid": 5}, {"ctid": "x"}, {"ctid": 103, "state": "paused"}])
def test_a_wrong_request_is_refused_before_anything_is_sent(
    producer: Producer, redis_client: redis.Redis, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ContractError, match="Not a valid ensure request"):
        producer.ensure(**wrong)
    assert redis_client.keys() == []


def test_one_wrong_request_of_many_stops_all(producer: Producer, redis_client: redis.Redis) -> None:
    with pytest.raises(ContractError):
        producer.ensure_many([103, 5])
    with pytest.raises(ContractError):
        producer.plan(5)
    assert redis_client.keys() == []


def test_asking_twice_under_one_id_is_one_request(producer: Producer, redis_client: redis.Redis) -> None:
    first = producer.ensure(103, request_id=SOME_ID)
    second = producer.ensure(103, request_id=SOME_ID)
    assert first.id == second.id == SOME_ID
    assert len(queued(redis_client)) == 1


def test_an_id_of_another_request_is_refused(producer: Producer) -> None:
    producer.ensure(103, request_id=SOME_ID)
    with pytest.raises(ContractError, match=rf"{SOME_ID} was used before, for phoenix\.ensure 103"):
        producer.ensure(104, request_id=SOME_ID)


def test_an_id_that_is_no_uuid_is_refused(producer: Producer) -> None:
    with pytest.raises(ContractError, match="Not a valid request id: 'deploy-7'"):
        producer.ensure(103, request_id="deploy-7")


def test_a_redis_that_is_down_is_named_without_its_password() -> None:
    url = f"redis://:s3cret@127.0.0.1:{closed_port()}/0"
    with Producer(url) as producer, pytest.raises(Unreachable, match="Is it running there") as refused:
        producer.ensure(103)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["redis://:s3/cret@127.0.0.1/0", "http://:s3cret@127.0.0.1", "unix:///run/s3.sock", "127.0.0.1"]
)
def test_a_url_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ContractError, match="Not a usable Redis URL") as refused:
        Producer(url)
    assert "s3" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_redis_that_refuses_to_record_is_an_error_and_nothing_is_sent(
    producer: Producer, redis_client: redis.Redis
) -> None:
    redis_client.set("phoenix:due", "not a sorted set")
    with pytest.raises(Unreachable, match="WRONGTYPE"):
        producer.ensure(103)
    assert queued(redis_client) == []


def test_what_is_recorded_but_could_not_be_queued_is_left_to_the_workers(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    def kill(**_: Any) -> None:
        redis_server.kill()

    before_task_publish.connect(kill, weak=False)
    try:
        with Producer(redis_server.url) as producer, caplog.at_level(logging.WARNING, "phoenix_producer"):
            handle = producer.ensure(103)
    finally:
        before_task_publish.disconnect(kill)
    assert "is recorded but Redis went away" in caplog.text
    redis_server.start()
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        assert client.zscore("phoenix:due", handle.id) is not None
        assert client.llen("phoenix.ensure") == 0


def test_the_environment_says_where_redis_is(
    redis_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOENIX_REDIS_URL", redis_url)
    with Producer() as producer:
        handle = producer.ensure(103)
    assert recorded(redis_client) == [handle.id]


def test_it_works_on_when_redis_was_restarted(redis_server: RedisServer) -> None:
    with Producer(redis_server.url) as producer:
        producer.ensure(101)
        redis_server.kill()
        redis_server.start()
        producer.ensure(103)
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        assert client.llen("phoenix.ensure") == 2


# --- inside a service


def test_the_app_of_a_service_and_its_environment_do_not_matter(
    redis_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = f"redis://127.0.0.1:{closed_port()}/0"
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_WRITE_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, elsewhere)
    monkeypatch.setenv("CELERY_CONFIG_MODULE", "no_such_module")
    monkeypatch.setenv("CELERY_LOADER", "default")
    before, limit = get_current_app(), pools.get_limit()
    with Producer(redis_url) as producer:
        handle = producer.ensure(103)
    assert [message["id"] for message in queued(redis_client)] == [handle.id]
    assert get_current_app() is before
    assert pools.get_limit() == limit


def test_what_a_service_publishes_meanwhile_is_not_recorded(
    producer: Producer, redis_url: str, redis_client: redis.Redis
) -> None:
    with other_app("service", redis_url) as service:

        def audit(sender: str, **_: Any) -> None:
            if sender != "service.audit":
                service.send_task("service.audit")

        before_task_publish.connect(audit, weak=False)
        try:
            handle = producer.ensure(103)
        finally:
            before_task_publish.disconnect(audit)
    assert [message["task"] for message in queued(redis_client, "celery")] == ["service.audit"]
    assert recorded(redis_client) == [handle.id]


def test_a_request_made_in_a_task_of_a_service_is_nobodys_child(
    start_worker: StartWorker, redis_url: str, redis_client: redis.Redis
) -> None:
    of_the_service = redis_url.removesuffix("/0") + "/1"
    environ = {"SERVICE_REDIS": of_the_service, "CELERY_BROKER_URL": of_the_service, "PHOENIX": redis_url}
    start_worker("tests.support.service_app", environ)
    with other_app("caller", of_the_service) as caller:
        deployed = caller.send_task("service.deploy", [103], queue="service").get(timeout=30)
    (message,) = queued(redis_client)
    assert message["id"] == message["root_id"] == deployed["id"]
    assert message["parent_id"] is None
    assert deployed["app"] == "service"
    assert deployed["own"] == 1
    assert deployed["id"] not in deployed["all"]
    assert recorded(redis_client) == [deployed["id"]]


# --- waiting


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
    with pytest.raises(TimeoutError, match=r"for CTID 103 has not ended in 0 s; it is not cancelled\."):
        handle.wait(0)


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
    with pytest.raises(ContractError, match="none that this version understands"):
        handle.wait()


def test_an_answer_may_say_more_than_this_version_knows(producer: Producer, results: Any) -> None:
    handle = producer.ensure(103)
    results.mark_as_done(handle.id, {**RESULT, "colour": "red"})
    assert handle.wait(timeout=60).ctid == 103


def test_a_child_forked_while_others_send_has_connections_of_its_own(redis_url: str, redis_client: redis.Redis) -> None:
    script = """if True:
        import os, sys
        from phoenix_producer import Producer
        with Producer(sys.argv[1]) as producer:
            producer.ensure(101)
            with producer._link._wires.senders._resource.mutex:  # as a thread has it that takes a connection just now
                child = os.fork()
                if child == 0:
                    os._exit(1 if producer.ensure(102).done() else 0)
            assert os.waitpid(child, 0)[1] == 0
            producer.ensure(103)
    """
    with subprocess.Popen([sys.executable, "-c", script, redis_url], start_new_session=True) as parent:
        try:
            assert parent.wait(30) == 0
        finally:
            with suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)
    assert sorted(message["body"][0][0] for message in queued(redis_client)) == [101, 102, 103]


# --- with a worker


def test_a_worker_answers(answered: Producer) -> None:
    result = answered.ensure(103, state=DesiredState.STOPPED).wait(30)
    assert (result.ctid, result.outcome, result.node) == (103, Outcome.CREATED, "pve")
    assert result.not_applied == ("requester: the tests", "state: stopped")


def test_a_failure_says_what_the_worker_said(answered: Producer) -> None:
    with pytest.raises(EnsureFailed, match=r"CTID 404 is not ours\. Use --adopt\.") as failed:
        answered.ensure(REFUSED).wait(30)
    assert failed.value.failure.cause == "not-ours"


def test_a_worker_whose_code_breaks_is_a_failure_too(answered: Producer) -> None:
    with pytest.raises(EnsureFailed, match=r"RuntimeError.*the worker's own fault") as failed:
        answered.ensure(BROKEN).wait(30)
    assert failed.value.failure.cause == "unexpected"


def test_many_are_waited_for_and_failures_come_together(answered: Producer) -> None:
    assert [result.ctid for result in answered.ensure_many([103, 101]).wait(30)] == [103, 101]
    handles = answered.ensure_many([103, REFUSED])
    with pytest.raises(ExceptionGroup, match="1 of 2 requests failed") as failed:
        handles.wait(30)
    assert failed.group_contains(EnsureFailed, match="404")
    assert [handle.ctid for handle in handles[:1]] == [103]


def test_plans_and_the_list_of_containers_are_requests_too(answered: Producer) -> None:
    assert answered.plan(103).wait(30) == Plan(ctid=103, lines=("clone 103 from 900",))
    assert [plan.ctid for plan in answered.plan_many([101, 103]).wait(30)] == [101, 103]
    assert answered.containers().wait(30) == [101, 103]


def test_progress_is_told_until_the_end(answered: Producer) -> None:
    handle = answered.ensure(103)
    history = list(handle.progress(30))
    kinds = ["requested", "step-started", "remote-task", "done"]
    assert [progress.kind for progress in history] == kinds
    assert {progress.ctid for progress in history} == {103}
    assert history[2].upid is not None
    assert list(handle.progress(30)) == history


def test_progress_of_a_failed_job_ends(answered: Producer) -> None:
    assert [*answered.ensure(REFUSED).progress(30)][-1].kind is ProgressKind.FAILED


def test_progress_of_many_tells_whose_it_is(answered: Producer) -> None:
    handles = answered.ensure_many([101, 103])
    ends = {progress.job for progress in handles.progress(30) if progress.kind is ProgressKind.DONE}
    assert ends == {handle.id for handle in handles}


def test_progress_ends_with_the_result_when_the_history_is_gone(answered: Producer) -> None:
    handle = answered.ensure(FORGOTTEN)
    assert ProgressKind.DONE not in [progress.kind for progress in handle.progress(30)]
    assert handle.done()


def test_progress_leaves_out_what_only_newer_versions_know(producer: Producer, redis_client: redis.Redis) -> None:
    handle = producer.ensure(103)
    for kind in ("teleported", "done"):
        redis_client.xadd(f"phoenix:job:{handle.id}:log", {"at": "1.0", "kind": kind})
    assert [progress.kind for progress in handle.progress(30)] == ["requested", "done"]


def test_progress_has_a_timeout(producer: Producer) -> None:
    with pytest.raises(TimeoutError):
        list(producer.ensure(103).progress(0.01))


# --- docs/messages.md


def result_of(client: redis.Redis, key: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(str(wait_for(lambda: client.get(key))))
    return answer


def documented(language: str, containing: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs/messages.md").read_text(), re.DOTALL)
    (block,) = [block for block in blocks if containing in block]
    return str(block)


def test_the_documented_message_is_answered_as_documented(answering_client: redis.Redis) -> None:
    message = json.loads(documented("json", '"content-type"'))
    body = json.loads(documented("json", '"callbacks"'))
    assert json.loads(base64.b64decode(message["body"])) == body
    answering_client.lpush("phoenix.ensure", json.dumps(message))
    stored = result_of(answering_client, f"celery-task-meta-{message['headers']['id']}")
    shown = json.loads(documented("json", '"SUCCESS"'))
    assert stored.keys() >= shown.keys()
    assert stored["status"] == "SUCCESS"
    assert EnsureResult.model_validate(stored["result"]).ctid == EnsureResult.model_validate(shown["result"]).ctid


def test_the_documented_failure_is_what_is_stored(answered: Producer, answering_client: redis.Redis) -> None:
    handle = answered.ensure(REFUSED)
    stored = result_of(answering_client, f"celery-task-meta-{handle.id}")
    shown = json.loads(documented("json", '"FAILURE"'))
    assert stored["status"] == shown["status"]
    assert stored["result"].keys() == shown["result"].keys()
    assert stored["result"]["exc_type"] == shown["result"]["exc_type"]
    assert stored["result"]["exc_message"][0].keys() >= shown["result"]["exc_message"][0].keys()


def test_the_documented_python_runs(answering_url: str, tmp_path: Path) -> None:
    for name in ("send_task", "ensure_many", "RecordingProducer()"):
        script = documented("python", name).replace("redis://127.0.0.1:6379/0", answering_url)
        environ = {**os.environ, "PHOENIX_REDIS_URL": answering_url}
        subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env=environ, timeout=60)
