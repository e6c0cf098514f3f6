"""Kill a worker at a named point of the protocol: once, at the n-th time that it is reached."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from phoenix_worker.durable import crash_points

if TYPE_CHECKING:
    from redis import Redis

KILL_AT = "KILL_AT"
"""Environment: `point`, `point/step`, or either with `:n`. Counted in Redis, over all workers."""

ARMED = "armed"
"""Redis key: without it nothing is counted, so that a worker comes up first."""


def install(client: Redis) -> None:
    """Count the points, and die at the one that the environment names."""
    wanted, _, nth = os.environ.get(KILL_AT, "").partition(":")
    if not wanted:
        return

    def on_point(point: str, step: str) -> None:
        counts = wanted in {point, f"{point}/{step}"} and client.exists(ARMED)
        if counts and client.hincrby("points", wanted, 1) == int(nth or 1):
            os.kill(os.getpid(), signal.SIGKILL)

    crash_points.on_point = on_point
