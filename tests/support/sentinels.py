"""A Redis with two replicas, watched by three Sentinels: real servers, whose master can be killed."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from phoenix_worker.commands.demo.child import ChildProcess
from phoenix_worker.commands.demo.embedded import HOST, find_server, free_port
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

MASTER = "mymaster"
PASSWORD, SENTINEL_PASSWORD = "s3:cr@t/#?", "t0 sentinels"
_DOWN_AFTER_MS = 500


class Sentinels:
    """Use it in a `with` statement. Every server wants a password, and the Sentinels another one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._servers: dict[int, ChildProcess] = {}
        self._sentinels: dict[int, ChildProcess] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        first = self._start_server(None)
        for _ in range(2):
            self._start_server(first)
        for _ in range(3):
            self._start_sentinel(first)
        wait_for(lambda: self._agree(replicas=2))
        return self

    def __exit__(self, *_: object) -> None:
        for child in (*self._sentinels.values(), *self._servers.values()):
            child.kill()

    @property
    def hosts(self) -> str:
        """The Sentinels, as in a URL."""
        return ",".join(f"{HOST}:{port}" for port in self._sentinels)

    @property
    def ports(self) -> list[int]:
        """Those of all servers and Sentinels; one that is killed comes back at its own."""
        return [*self._servers, *self._sentinels]

    def master(self) -> int:
        """The port of the master that most Sentinels name; 0 while they do not agree."""
        named = [self._named(port) for port in self._sentinels]
        most = max(set(named), key=named.count)
        return most if named.count(most) >= 2 else 0

    def kill_master(self) -> None:
        """Kill the master (SIGKILL), and wait until another is named; the killed one comes back as a replica."""
        old = wait_for(self.master)
        self._servers.pop(old).kill()
        new = wait_for(lambda: self._other_than(old))
        self._start_server(new, old)
        wait_for(lambda: self._agree(replicas=2))

    def client(self) -> redis.Redis:
        """A client of the master."""
        return _client(wait_for(self.master), PASSWORD)

    def _other_than(self, old: int) -> int:
        new = self.master()
        return new if new not in (0, old) and self._is_master(new) else 0

    def _is_master(self, port: int) -> bool:
        try:
            with _client(port, PASSWORD) as client:
                return bool(client.info("replication")["role"] == "master")
        except redis.RedisError:
            return False

    def _agree(self, *, replicas: int) -> bool:
        port = self.master()
        if not port or not self._is_master(port):
            return False
        try:
            with _client(port, PASSWORD) as client:
                told = client.info("replication")
        except redis.RedisError:
            return False
        # Their number may count one that is not listed yet.
        replicas_told = [told.get(f"slave{number}", {}) for number in range(told["connected_slaves"])]
        online = [one.get("state") == "online" for one in replicas_told]
        return sum(online) == replicas and all(self._others(one) == len(self._sentinels) - 1 for one in self._sentinels)

    def _others(self, sentinel: int) -> int:
        try:
            with _client(sentinel, SENTINEL_PASSWORD) as client:
                return len(client.sentinel_sentinels(MASTER))
        except redis.RedisError:
            return -1

    def _named(self, sentinel: int) -> int:
        try:
            with _client(sentinel, SENTINEL_PASSWORD) as client:
                return int(client.sentinel_get_master_addr_by_name(MASTER)[1])
        except (redis.RedisError, TypeError):
            return 0

    def _start_server(self, master: int | None, port: int | None = None) -> int:
        port = port or free_port()
        directory = self._directory / str(port)
        directory.mkdir(exist_ok=True)
        lines = [
            f"bind {HOST}",
            f"port {port}",
            f"dir {directory}",
            "appendonly yes",
            'save ""',
            "maxmemory-policy noeviction",
            f'requirepass "{PASSWORD}"',
            f'masterauth "{PASSWORD}"',
            "repl-diskless-sync-delay 0",
            "repl-ping-replica-period 1",
            *([f"replicaof {HOST} {master}"] if master else []),
        ]
        self._servers[port] = self._start(directory / "redis.conf", lines)
        wait_for(lambda: _answers(port, PASSWORD))
        return port

    def _start_sentinel(self, master: int) -> None:
        port = free_port()
        lines = [
            f"bind {HOST}",
            f"port {port}",
            f"dir {self._directory}",
            f'requirepass "{SENTINEL_PASSWORD}"',
            f'sentinel sentinel-pass "{SENTINEL_PASSWORD}"',
            f"sentinel monitor {MASTER} {HOST} {master} 2",
            f'sentinel auth-pass {MASTER} "{PASSWORD}"',
            f"sentinel down-after-milliseconds {MASTER} {_DOWN_AFTER_MS}",
            f"sentinel failover-timeout {MASTER} 3000",
            f"sentinel parallel-syncs {MASTER} 2",
        ]
        self._sentinels[port] = self._start(self._directory / f"sentinel-{port}.conf", lines, "--sentinel")
        wait_for(lambda: _answers(port, SENTINEL_PASSWORD))

    def _start(self, conf: Path, lines: list[str], *flags: str) -> ChildProcess:
        conf.write_text("\n".join(lines) + "\n")
        return ChildProcess([str(find_server()), str(conf), *flags], log=conf.with_suffix(".log"))


def _client(port: int, password: str) -> redis.Redis:
    once = Retry(NoBackoff(), 0)
    return redis.Redis(HOST, port, password=password, decode_responses=True, socket_timeout=30, retry=once)


def _answers(port: int, password: str) -> bool:
    try:
        with _client(port, password) as client:
            return bool(client.ping())
    except redis.RedisError:
        time.sleep(0.02)
        return False
