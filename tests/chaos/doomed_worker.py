"""The product's own worker, which dies now and then at a named point of the protocol: in the middle of things."""

from __future__ import annotations

import os
import signal
from random import Random

from phoenix_worker.celery import app
from phoenix_worker.durable import crash_points
from tests.chaos.crew import DOOM

__all__ = ["app"]

_SELDOM = 0.004
_random = Random(os.environ[DOOM])  # noqa: S311 - to be replayed
# Else all children of a pool would die at the same point of their lives.
os.register_at_fork(after_in_child=lambda: _random.seed(f"{os.environ[DOOM]}/{os.getpid()}"))


def _perhaps_die(point: str, step: str) -> None:  # noqa: ARG001 - the hook's signature
    if point != "ticked" and _random.random() < _SELDOM:
        os.kill(os.getpid(), signal.SIGKILL)


crash_points.on_point = _perhaps_die
