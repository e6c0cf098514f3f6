"""The demo on a Redis of somebody else: what is wrong with it is told before anything is started."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from phoenix_worker.commands.demo import parts
from phoenix_worker.commands.demo.parts import BadSurroundings, DemoFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from phoenix_worker.commands.demo.embedded import RedisServer

OWN = "Or unset REDIS_URL: the demo then starts a server of its own."


def refusal(directory: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Exception:
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises((BadSurroundings, DemoFailed)) as caught, parts.redis(directory):
        pass
    assert str(caught.value).endswith(OWN)
    assert "PHOENIX_" not in str(caught.value), "the demo has a setting of its own"
    assert ".." not in str(caught.value)
    return caught.value


TROUBLES: dict[str, tuple[Mapping[str, str], str, type[Exception]]] = {
    "a password": ({"requirepass": "secret"}, "wants a password, and REDIS_URL has none", BadSurroundings),
    "no memory": ({"maxmemory": "1"}, "Give Redis more memory", DemoFailed),
    "one that evicts": ({"maxmemory-policy": "allkeys-lru"}, "Redis would evict locks and jobs", BadSurroundings),
    "one that forgets": ({"appendonly": "no"}, "a restart of Redis would lose jobs", BadSurroundings),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_redis_that_cannot_be_used_is_told(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    changed, words, kind = TROUBLES[trouble]
    with Redis.from_url(redis_server.url) as client:
        for name, value in changed.items():
            client.config_set(name, value)
    told = refusal(tmp_path, redis_server.url, monkeypatch)
    assert (type(told), words in str(told)) == (kind, True), told


def test_a_replica_and_a_database_that_is_not_there_are_told(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = refusal(tmp_path, redis_server.url.replace("/0", "/99"), monkeypatch)
    assert "/99 has no database with that number. Correct it in REDIS_URL" in str(told)
    with Redis.from_url(redis_server.url) as client:
        client.replicaof("127.0.0.1", 1)
    assert "Let REDIS_URL name the primary" in str(refusal(tmp_path, redis_server.url, monkeypatch))


def test_a_port_where_nobody_listens_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        told = refusal(tmp_path, f"redis://127.0.0.1:{closed.getsockname()[1]}/0", monkeypatch)
    assert "Check that Redis runs there, or correct the address: REDIS_URL." in str(told)


def test_one_that_is_empty_is_used_and_left_empty(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    with Redis.from_url(redis_server.url) as client, parts.redis(tmp_path) as used:
        assert used.title.endswith("(REDIS_URL)")
        client.set("phoenix:seq", "1")
    with Redis.from_url(os.environ["REDIS_URL"]) as client:
        assert client.keys() == []
