"""Sending: what is recorded and queued, and what is refused before that."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import redis
from celery.signals import before_task_publish

from phoenix_producer import ContractError, Producer, Unreachable
from phoenix_producer.contract import UPKEEP_QUEUE
from tests.support.publishing import queued, recorded, refusing_port

if TYPE_CHECKING:
    from phoenix_worker.commands.demo.embedded import RedisServer

SOME_ID = "7d8c1a52-6a5e-4a0e-9a6e-2f9f3f0c1b11"


def test_a_request_is_recorded_and_queued_under_one_id(producer: Producer, redis_client: redis.Redis) -> None:
    handle = producer.ensure(103, adopt=True, state="stopped")
    (message,) = queued(redis_client, UPKEEP_QUEUE)
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


@pytest.mark.parametrize("name", ["\ud800", "a\udcff", "x" * 201])
def test_a_name_that_no_list_can_show_is_refused_before_any_request(redis_url: str, name: str) -> None:
    """A look has no other text in it that would be checked."""
    with pytest.raises(ContractError, match="Not a valid requester"), Producer(redis_url, requester=name) as producer:
        producer.status()


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
    with pytest.raises(ContractError, match=rf"{SOME_ID} was already used for phoenix\.ensure 103"):
        producer.ensure(104, request_id=SOME_ID)


def test_an_id_of_the_same_request_with_other_options_is_refused(
    producer: Producer, redis_server: RedisServer, redis_client: redis.Redis
) -> None:
    producer.ensure(103, dry_run=True, request_id=SOME_ID)
    with pytest.raises(ContractError, match=rf"{SOME_ID} was already used for phoenix\.ensure 103 with other options"):
        producer.ensure(103, request_id=SOME_ID)
    with Producer(redis_server.url, requester="another") as other:
        other.ensure(103, dry_run=True, adopt=False, request_id=SOME_ID)
    assert len(queued(redis_client)) == 1


def test_an_id_that_is_no_uuid_is_refused(producer: Producer) -> None:
    with pytest.raises(ContractError, match="Not a valid request id: 'deploy-7'"):
        producer.ensure(103, request_id="deploy-7")


def test_a_redis_that_is_down_is_named_without_its_password() -> None:
    with (
        refusing_port() as port,
        Producer(f"redis://:s3cret@127.0.0.1:{port}/0") as producer,
        pytest.raises(Unreachable, match="Check that Redis runs there") as refused,
    ):
        producer.ensure(103)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["redis://:s3/cret@127.0.0.1/0", "http://:s3cret@127.0.0.1", "unix:///run/s3.sock", "127.0.0.1"]
)
def test_a_url_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ContractError, match="Not a usable Redis URL") as refused:
        Producer(url)
    assert "s3" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


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
    assert "is recorded but could not be queued" in caplog.text
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
            assert parent.wait(60) == 0
        finally:
            with suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)
    assert sorted(message["body"][0][0] for message in queued(redis_client)) == [101, 102, 103]
