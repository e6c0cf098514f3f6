"""A clock of Redis that can be set: what the server says, and so many seconds, which stand in a key of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from phoenix_producer.client import record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

KEY = "chaos:clock"
_READS = "clock = tonumber(t[1]) + tonumber(t[2]) / 1000000"


def settable(lua: str) -> str:
    """Return the ledger's script with this clock."""
    assert _READS in lua
    return lua.replace(_READS, f"{_READS} + tonumber(redis.call('GET', '{KEY}') or 0)")


def now(redis: Redis) -> float:
    """Return the time by this clock, in seconds since the epoch."""
    seconds, microseconds = redis.time()
    return float(seconds) + float(microseconds) / 1e6 + float(redis.get(KEY) or 0)


@contextmanager
def settable_for_producers() -> Iterator[None]:
    """Let producers that are made in the block go by this clock."""
    before = record.LEDGER_LUA
    record.LEDGER_LUA = settable(before)
    try:
        yield
    finally:
        record.LEDGER_LUA = before
