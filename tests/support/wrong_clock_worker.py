"""The product's own worker on a machine whose clock is wrong. Like `crashing_worker` it may die at a named point.

Whatever it imports goes by that clock: it is to be started with `forked=False`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.support.wrong_clock import AHEAD_IN

_file = Path(os.environ[AHEAD_IN])
_right, _right_ns = time.time, time.time_ns


def _ahead() -> float:
    return float(_file.read_text())


time.time = lambda: _right() + _ahead()
time.time_ns = lambda: _right_ns() + int(_ahead() * 1e9)

from tests.support.crashing_worker import app  # noqa: E402 - not before the clock is wrong

__all__ = ["app"]
