"""Tests wait for facts, never for time to pass."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_POLL_SECONDS = 0.005


def wait_for(fact: Callable[[], T], timeout: float = 60.0) -> T:
    """Ask until the answer is true, and return it. The timeout is only there to end a test that will never pass."""
    deadline = time.monotonic() + timeout
    while not (seen := fact()):
        if time.monotonic() > deadline:
            raise AssertionError(f"Not true after {timeout:g} s; last seen: {seen!r}")
        time.sleep(_POLL_SECONDS)
    return seen
