"""When this process last lost a connection to Redis: whoever answers since may have forgotten what was written before.

Redis goes back to an earlier state only while it is started again, or while a replica takes over: both end every
connection. A process sees that as it asks for the first time after it, before any tick can tell that writes were lost.
One that begins later has lost no connection: the ledger has which server the workers before it have met (`meet`).
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from redis.exceptions import ResponseError

if TYPE_CHECKING:
    from redis import Redis

LATELY = 300
"""Seconds for which something forgotten may come to be run again: by then its place in a queue has come, mostly."""


class Reconnects:
    """Notices each connection of a client that is made a second time. Given to redis-py as `redis_connect_func`."""

    def __init__(self) -> None:
        self._known: WeakSet[Any] = WeakSet()
        self._last = float("-inf")

    def __call__(self, connection: Any) -> None:
        """Log in, as redis-py itself does for a new connection; what was connected before was cut off meanwhile."""
        if connection in self._known:
            self.note()
        self._known.add(connection)
        connection.on_connect()

    def note(self) -> None:
        """Take it that writes were lost just now, as those of a Redis that was emptied, which ends no connection."""
        self._last = time.monotonic()

    def lately(self) -> bool:
        """Return whether a connection was lost a short while ago."""
        return time.monotonic() - self._last <= LATELY


def process_of(client: Redis) -> str:
    """Return the id of the process that answers, by `INFO`; another one each time where that says none."""
    try:
        return str(client.info("server")["run_id"])
    except (ResponseError, KeyError):
        return uuid.uuid4().hex
