"""Which ids were lately seen to stand somewhere in the cluster. Nothing is decided by it but whether to ask."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_REMEMBERED_S = 60.0


class Sightings:
    """Remembers them for all threads of a worker. The cluster's list is read again after a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ids: set[int] = set()
        self._listed = float("-inf")

    def may_stand(self, ctid: int, listed: Callable[[], Iterable[int]]) -> bool:
        """Return whether an id that a node does not have may stand elsewhere; `listed` names all of the cluster."""
        with self._lock:
            fresh = self._clock() - self._listed < _REMEMBERED_S
            if fresh or ctid in self._ids:
                return ctid in self._ids
        ids = set(listed())
        with self._lock:
            self._ids, self._listed = ids, self._clock()
            return ctid in ids

    def saw(self, ctid: int) -> None:
        """Remember one that stands."""
        with self._lock:
            self._ids.add(ctid)

    def forget(self, ctid: int) -> None:
        """Forget one that stands nowhere."""
        with self._lock:
            self._ids.discard(ctid)
