"""What a producer has published, and other Celery apps beside it."""

from __future__ import annotations

import base64
import json
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from celery import Celery
from kombu import pools

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis


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


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else is given meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])
