from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis

from phoenix_producer import Producer
from phoenix_worker.commands.demo.embedded import private_redis
from tests.support.cli import environ, release, run, started
from tests.support.driven_ledger import driven
from tests.support.publishing import other_app
from tests.support.still_ledger import still
from tests.support.worker import WorkerProcess

__all__ = ["answering_url", "driven", "environ", "release", "run", "started", "still"]

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def answering_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis behind which a worker answers requests at once: see `tests.support.answering_app`."""
    directory = tmp_path_factory.mktemp("answering")
    with private_redis(directory / "redis") as server:
        environ = {"ANSWERING_REDIS": server.url}
        worker = WorkerProcess("tests.support.answering_app", directory=directory, environ=environ, forked=True)
        worker.wait_until_ready()
        yield server.url
        worker.kill()


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
