"""A producer inside a service that has a Celery app of its own: neither is in the other's way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from celery._state import get_current_app
from celery.signals import before_task_publish
from kombu import pools

from phoenix_producer import Producer
from tests.support.publishing import other_app, queued, recorded, refusing_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from tests.support.worker import StartWorker


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """A port of nobody."""
    with refusing_port() as port:
        yield port


def test_the_app_of_a_service_and_its_environment_do_not_matter(
    redis_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, elsewhere: int
) -> None:
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_WRITE_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, f"redis://127.0.0.1:{elsewhere}/0")
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
        deployed = caller.send_task("service.deploy", [103], queue="service").get(timeout=60)
    (message,) = queued(redis_client)
    assert message["id"] == message["root_id"] == deployed["id"]
    assert message["parent_id"] is None
    assert deployed["app"] == "service"
    assert deployed["own"] == 1
    assert deployed["id"] not in deployed["all"]
    assert recorded(redis_client) == [deployed["id"]]
