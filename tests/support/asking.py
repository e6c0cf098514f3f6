"""A client for the tiny durable tasks: it publishes through the ledger, as the producer does, or plainly."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from celery import Celery
from redis import Redis

from phoenix_producer.client.record import Recorder, recording
from phoenix_producer.contract import QUEUE
from tests.support.redis import LASTING_KEYS, leaked_keys
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery.result import AsyncResult


class Asking:
    """Publishes to one Redis and hands out results."""

    def __init__(self, redis_url: str) -> None:
        self.app = Celery("asks", broker=redis_url, backend=redis_url, set_as_current=False)
        self.redis = Redis.from_url(redis_url, decode_responses=True)

    def ask(self, name: str, *args: Any, task_id: str | None = None) -> AsyncResult[Any]:
        """Publish a request that is recorded first."""
        with recording(Recorder(self.redis)):
            return self.plainly(name, *args, task_id=task_id)

    def plainly(self, name: str, *args: Any, task_id: str | None = None) -> AsyncResult[Any]:
        """Publish as a client that knows nothing of the ledger."""
        return self.app.send_task(name, args, queue=QUEUE, task_id=task_id)


def hang_up(app: Celery) -> None:
    """Close what `app.close()` leaves open: the subscription to results, and the backend's own connections."""
    backend: Any = app.backend
    backend.result_consumer.stop()
    backend.client.close()
    app.close()


@contextmanager
def asking(redis_url: str) -> Iterator[Asking]:
    """Give the block a client, and close its connections."""
    client = Asking(redis_url)
    try:
        yield client
    finally:
        hang_up(client.app)
        client.redis.close()


@contextmanager
def asking_until_clean(redis_url: str, owned_keys: list[str], *effects: str) -> Iterator[Asking]:
    """Give the block a client, whose `effects` are no leaks, and wait until the ledger has forgotten what it asked."""
    owned_keys += [*LASTING_KEYS, *effects]
    with asking(redis_url) as client:
        yield client
        with suppress(AssertionError):  # a result is stored a moment before its task ends in the ledger
            wait_for(lambda: not leaked_keys(client.redis, owned_keys))
