"""Several addresses of one Proxmox: which of them is asked."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

AWAY_SECONDS = 60.0
"""Until an address that did not answer is asked again. The wait for it is paid once in so many seconds."""


class ApiHosts:
    """Known by their places in a list; the first that is not left is asked. For any number of threads."""

    def __init__(self, count: int, now: Callable[[], float] = time.monotonic) -> None:
        self._until = [0.0] * count
        self._now = now
        self._lock = threading.Lock()

    def current(self) -> int:
        """Return the place of the address to ask: when all are left, of the one that was left first."""
        with self._lock:
            now = self._now()
            there = (place for place, until in enumerate(self._until) if until <= now)
            return next(there, self._until.index(min(self._until)))

    def leave(self, place: int) -> None:
        """Ask the others for a while."""
        with self._lock:
            self._until[place] = self._now() + AWAY_SECONDS
