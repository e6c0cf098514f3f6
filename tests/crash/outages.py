"""Ways in which a Redis is away for a while. Each is a block: trouble begins before it and is over after it."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from phoenix_worker.commands.demo.embedded import RedisServer

PASSWORD = "changed"
NOWHERE = ("127.0.0.1", 1)
_CHUNK = 65536
_PAUSED_MS = 12_000


@contextmanager
def operator(server: RedisServer, password: str | None = None) -> Iterator[redis.Redis]:
    """A short connection, as an operator's `redis-cli`."""
    with redis.Redis.from_url(server.url, password=password, decode_responses=True) as client:
        yield client


def setting(client: redis.Redis, name: str) -> str:
    """What a server is configured with."""
    return str(client.config_get(name)[name])


@contextmanager
def killed(server: RedisServer) -> Iterator[None]:
    """The process is gone, its port refuses; then it is back with what its append-only file holds."""
    server.kill()
    yield
    server.start()


@contextmanager
def standing_still(server: RedisServer) -> Iterator[None]:
    """SIGSTOP: connections stay open and nobody answers, as when a host hangs or packets are dropped."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@contextmanager
def out_of_memory(server: RedisServer) -> Iterator[None]:
    """Reads and pops work; what would take memory is refused."""
    with operator(server) as client:
        client.config_set("maxmemory", 1)
    yield
    with operator(server) as client:
        client.config_set("maxmemory", 0)


@contextmanager
def read_only(server: RedisServer) -> Iterator[None]:
    """A failover made it the replica of somebody else: every write is refused, and then it is primary again."""
    with operator(server) as client:
        client.replicaof(*NOWHERE)
    yield
    with operator(server) as client:
        client.replicaof("NO", "ONE")


@contextmanager
def password_changed(server: RedisServer) -> Iterator[None]:
    """New connections need a password that nobody told the workers, and the old ones are cut."""
    with operator(server) as client:
        client.config_set("requirepass", PASSWORD)
        client.client_kill_filter(_type="normal", skipme=True)
        client.client_kill_filter(_type="pubsub", skipme=True)
    yield
    with operator(server, PASSWORD) as client:
        client.config_set("requirepass", "")


@contextmanager
def busy(server: RedisServer) -> Iterator[None]:
    """A script of somebody does not end: the server refuses everything until it is killed."""
    with operator(server) as client:
        client.config_set("busy-reply-threshold", 50)
    endless = threading.Thread(target=_run_endlessly, args=(server,))
    endless.start()
    yield
    with operator(server) as client:
        client.script_kill()
    endless.join()


def _run_endlessly(server: RedisServer) -> None:
    with operator(server) as client, suppress(redis.RedisError):
        client.connection_pool.connection_kwargs["socket_timeout"] = None
        client.eval("while true do end", 0)


@contextmanager
def paused(server: RedisServer) -> Iterator[None]:
    """Somebody has the server answer no client for a while, as a failover by hand does."""
    with operator(server) as client:
        client.client_pause(_PAUSED_MS, all=True)
    yield
    with redis.Redis.from_url(server.url, socket_timeout=4 * _PAUSED_MS / 1000) as client:
        client.ping()  # answered when it is over


@contextmanager
def without_room_for_clients(server: RedisServer) -> Iterator[None]:
    """Others have all of its connections, and no new one is accepted."""
    with operator(server) as client:
        before = setting(client, "maxclients")
        client.config_set("maxclients", 1)
        for kind in ("normal", "pubsub"):
            client.client_kill_filter(_type=kind, skipme=True)
        yield
        client.config_set("maxclients", before)


@contextmanager
def unable_to_save(server: RedisServer) -> Iterator[None]:
    """No snapshot can be written, as on a full disk, and so it refuses writes: MISCONF."""
    with operator(server) as client:
        in_the_way = Path(setting(client, "dir")) / "dump.rdb"
        in_the_way.mkdir()
        client.config_set("save", "3600 1")
        client.bgsave()
        wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
        yield
        in_the_way.rmdir()
        client.bgsave()
        wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "ok")
        client.config_set("save", "")


class Wire:
    """A TCP proxy before a server, whose wire can be cut: nothing passes and nobody is told."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self._peers: dict[socket.socket, socket.socket] = {}
        self._whole = True
        self._open = True
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://127.0.0.1:{self._door.getsockname()[1]}/0"

    @contextmanager
    def cut(self, _server: RedisServer | None = None) -> Iterator[None]:
        """Swallow everything on open connections for ever, as a firewall does that forgot them; refuse new ones."""
        self._whole = False
        forgotten = dict(self._peers)
        self._peers.clear()
        yield
        self._whole = True
        self._forgotten = forgotten  # kept open: their ends are never told

    def close(self) -> None:
        """End the thread and all connections."""
        self._open = False
        self._thread.join()
        for end in (self._door, *self._peers, *getattr(self, "_forgotten", ())):
            end.close()

    def _pump(self) -> None:
        while self._open:
            readable, _, _ = select.select([self._door, *self._peers], [], [], 0.02)
            for end in readable:
                if end is self._door:
                    self._accept()
                elif end in self._peers:
                    self._pass_on(end)

    def _accept(self) -> None:
        client, _ = self._door.accept()
        if not self._whole:
            client.close()
            return
        try:
            server = socket.create_connection(self._to)
        except OSError:
            client.close()
            return
        self._peers |= {client: server, server: client}

    def _pass_on(self, end: socket.socket) -> None:
        other = self._peers[end]
        try:
            chunk = end.recv(_CHUNK)
            if chunk:
                other.sendall(chunk)
                return
        except OSError:
            pass
        for half in (end, other):
            self._peers.pop(half, None)
            half.close()


OUTAGES: dict[str, Callable[[RedisServer], AbstractContextManager[None]]] = {
    "killed": killed,
    "standing still": standing_still,
    "out of memory": out_of_memory,
    "read-only": read_only,
    "password changed": password_changed,
    "busy": busy,
    "paused": paused,
    "without room for clients": without_room_for_clients,
    "unable to save": unable_to_save,
}
