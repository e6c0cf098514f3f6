"""Real servers for tests. `REDIS_URL` is ignored: tests flush, kill and restart, which is done to nobody's data."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest
import redis

from phoenix_worker.commands.demo.embedded import RedisServer, private_redis

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_NO_TTL = -1
LASTING_KEYS = [
    "phoenix:seq",
    "phoenix:ticks",
    "phoenix:set",
    "phoenix:ticked",
    "phoenix:server",
    "phoenix:reserved",
    "phoenix:claimed",
    "phoenix:pos:*",
    "phoenix:workers",
    "phoenix:queues",
    "_kombu.*",
    "unacked*",
]
"""What stays in Redis for ever, by design: counters, heartbeats and kombu's own."""


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for all tests of an xdist worker. Tests ask for `redis_url` or `redis_client`, which empty it."""
    with private_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_client(shared_redis: RedisServer) -> Iterator[redis.Redis]:
    """A client of an empty server; answers are `str`."""
    with redis.Redis.from_url(shared_redis.url, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture
def redis_url(shared_redis: RedisServer, redis_client: redis.Redis) -> str:  # noqa: ARG001 - it empties the server
    """Where an empty server answers."""
    return shared_redis.url


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own, to be killed and started again."""
    with private_redis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def owned_keys(redis_client: redis.Redis) -> Iterator[list[str]]:
    """Checks after the test that no key was left for ever; the test adds the patterns of keys that may be."""
    owned: list[str] = []
    yield owned
    assert leaked_keys(redis_client, owned) == []


def leaked_keys(client: redis.Redis, owned: Iterable[str]) -> list[str]:
    """The keys without a TTL that match none of the patterns. `client` decodes its answers."""
    keys = [key for key in client.scan_iter(count=1000) if not any(fnmatchcase(key, pattern) for pattern in owned)]
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.pttl(key)
        return sorted(key for key, ttl in zip(keys, pipe.execute(), strict=True) if ttl == _NO_TTL)
