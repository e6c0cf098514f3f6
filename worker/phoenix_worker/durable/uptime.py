"""The clock of a worker's own machine that nobody sets: how long it is up."""

from __future__ import annotations

import time

_UPTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps, and is never set."""


def uptime() -> float:
    """Return the seconds since the machine was started, for differences alone."""
    return time.clock_gettime(_UPTIME)
