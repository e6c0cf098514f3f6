"""What happens to Redis: it is killed, comes back without its last writes, or another server takes its place."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from redis import Redis, RedisError

from tests.support.sentinels import MASTER, PASSWORD, SENTINEL_PASSWORD, Sentinels
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from phoenix_worker.commands.demo.embedded import RedisServer

_LOST_SECONDS = (0.2, 1.0)
"""As much as a power cut may cost with `appendfsync everysec`."""


class Store(Protocol):
    """A Redis to which things happen. Each fault ends when Redis answers again, and says in words what it was."""

    @property
    def url(self) -> str:
        """For workers and producers."""
        ...

    def look(self) -> None:
        """See how things are now, many times a second."""
        ...

    def kill(self, rng: Random) -> str:
        """Kill the server."""
        ...

    def lose_writes(self, rng: Random) -> str:
        """Let it go on as it was a moment earlier."""
        ...


class OneServer:
    """A server that is killed and started again, once in a while with a shorter append-only file."""

    def __init__(self, server: RedisServer, directory: Path) -> None:
        self._server = server
        self._files = directory / "appendonlydir"
        self._lengths: deque[tuple[float, int]] = deque(maxlen=200)

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._server.url

    def look(self) -> None:
        """Remember how long the append-only file is."""
        self._lengths.append((time.monotonic(), self._file().stat().st_size))

    def kill(self, rng: Random) -> str:
        """Kill it, and start it again after some seconds."""
        away = rng.uniform(0.5, 6.0)
        self._server.kill()
        time.sleep(away)
        self._start()
        return f"Redis was killed, for {away:.1f} s"

    def lose_writes(self, rng: Random) -> str:
        """Kill it, cut what was written last off its append-only file, and start it again."""
        lost = rng.uniform(*_LOST_SECONDS)
        self._server.kill()
        whole = self._file().stat().st_size
        then = [length for at, length in self._lengths if at <= time.monotonic() - lost]
        kept = then[-1] if then else whole
        with self._file().open("r+b") as file:
            file.truncate(kept)
        self._start()
        return f"Redis lost the writes of {lost:.1f} s, {whole - kept} bytes"

    def _file(self) -> Path:
        (found,) = self._files.glob("*.incr.aof")
        return found

    def _start(self) -> None:
        self._server.start()
        with Redis.from_url(self.url) as client:
            wait_for(lambda: _answers(client))


class Failovers:
    """A master with two replicas and three Sentinels; a promoted replica may not have had the last writes."""

    def __init__(self, sentinels: Sentinels) -> None:
        self._sentinels = sentinels

    @property
    def url(self) -> str:
        """The Sentinels."""
        secret = quote(SENTINEL_PASSWORD, safe="")
        login = quote(PASSWORD, safe="")
        return f"sentinel://:{login}@{self._sentinels.hosts}/{MASTER}/0?sentinel_password={secret}"

    def look(self) -> None:
        """Nothing to remember."""

    def kill(self, rng: Random) -> str:  # noqa: ARG002 - how long it takes is up to the Sentinels
        """Kill the master; a replica takes its place."""
        began = time.monotonic()
        self._sentinels.kill_master()
        return f"the master was killed; all agreed on another after {time.monotonic() - began:.1f} s"

    lose_writes = kill


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:  # it is reading its append-only file
        return False
