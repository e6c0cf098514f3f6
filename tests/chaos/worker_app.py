"""The product's own worker on a Redis whose clock is set; a doomed one dies now and then at a named point."""

from __future__ import annotations

import os
import signal
from random import Random

from phoenix_producer.client import record
from tests.chaos import clock

record.LEDGER_LUA = clock.settable(record.LEDGER_LUA)

from phoenix_worker.celery import app  # noqa: E402 - the engine reads the script when it is imported
from phoenix_worker.durable import crash_points  # noqa: E402
from phoenix_worker.durable.watcher import Watcher  # noqa: E402
from tests.chaos.crew import DOOM  # noqa: E402

__all__ = ["app"]

_SELDOM = 0.004
_seed = os.environ.get(DOOM)
_random = Random(_seed)  # noqa: S311 - to be replayed
# Else all children of a pool would die at the same point of their lives.
os.register_at_fork(after_in_child=lambda: _random.seed(f"{_seed}/{os.getpid()}"))


def _perhaps_die(point: str, step: str) -> None:  # noqa: ARG001 - the hook's signature
    if point != "ticked" and _random.random() < _SELDOM:
        os.kill(os.getpid(), signal.SIGKILL)


if _seed is not None:
    crash_points.on_point = _perhaps_die


def _now(self: Watcher) -> float:
    return clock.now(self._redis)


Watcher._now = _now  # type: ignore[method-assign] # as the scripts have it
