"""Reads that many have in common: the cluster, the list of a node's containers, a template that all are cloned from.

A look whose answer is only shown may be served by a read that another look made, as long as that read began after its
own request was made: what the requester did before is seen. What decides a write is served so only where it says of
what age a read may be.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_LONGEST_AGE = 2.0
"""Seconds for which a read serves others, however old their requests are."""
_LONGEST_WAIT = 1.0
"""Seconds for which a look waits for the read of another, before it makes its own."""
_CROWD = 3
_CROWD_SECONDS = 1.0

_since: ContextVar[float | None] = ContextVar("phoenix_shared_since", default=None)


@contextmanager
def shared_since(moment: float) -> Iterator[None]:
    """Let the looks of the block, in this thread, be served by any read that began after a `time.monotonic`."""
    token = _since.set(moment)
    try:
        yield
    finally:
        _since.reset(token)


class _Entry:
    """The last read of one thing."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.began = float("-inf")
        self.value: Any = None
        self.asked: deque[float] = deque(maxlen=_CROWD)


class SharedReads:
    """Makes and remembers them, for all threads of a worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    def is_crowded(self, what: str) -> bool:
        """Return whether several looks asked for the same just now, so that a read for all of them is worth its cost.

        Never, where looks are not shared.
        """
        if _since.get() is None:
            return False
        asked, now = self._entry(what).asked, self._clock()
        with self._lock:
            crowded = len(asked) == _CROWD and now - asked[0] <= _CROWD_SECONDS
            asked.append(now)
        return crowded

    def get(self, what: str, read: Callable[[], T], *, within: float | None = None) -> T:
        """Return what a read gave that serves this look; make it where there is none. What it raises is not shared.

        `within` is for how many seconds before this moment a read may have begun, whoever asks.
        """
        since = _since.get() if within is None else self._clock() - within
        if since is None:
            return read()
        entry = self._entry(what)
        if not entry.lock.acquire(timeout=_LONGEST_WAIT):
            return read()
        try:
            began = self._clock()
            if entry.began < max(since, began - _LONGEST_AGE):
                entry.value = read()
                entry.began = began
            value: T = entry.value
        finally:
            entry.lock.release()
        return value

    def _entry(self, what: str) -> _Entry:
        with self._lock:
            return self._entries.setdefault(what, _Entry())
