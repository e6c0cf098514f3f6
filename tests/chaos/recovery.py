"""How long it takes until what was under way at the moment of a kill has moved on, and what it waited for.

Seconds in which no worker was ready do not count: on a busy machine a worker needs ten to start, and many are killed
before they have.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from phoenix_producer.contract import QUEUE, RESUME_QUEUE
from tests.chaos import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from redis import Redis


@dataclass
class Watched:
    """One task, as it was before the kill and what was seen of it since."""

    task: str
    before: str
    """`running`; or `prefetched`: queued, and its message is on no queue any more, or not yet."""
    run: str | None
    by: str | None
    seen: list[tuple[float, str]] = field(default_factory=list)

    def note(self, seconds: float, now: str) -> None:
        """See what it waits for."""
        if not self.seen or self.seen[-1][1] != now:
            self.seen.append((seconds, now))

    def __str__(self) -> str:
        return f"{self.task}, {self.before}; then " + ", ".join(f"{now} from {at:.2f} s" for at, now in self.seen)


@dataclass
class Recovery:
    """Looks at the ledger. Kills whose recovery a second one interrupts count from the second."""

    redis: Redis
    tell: Callable[[str], None]
    is_staffed: Callable[[], bool]
    """Whether a worker is ready."""
    longest: float = 0.0
    slowest: str = ""
    """The task that took longest, and its way."""
    _watched: dict[str, Watched] = field(default_factory=dict)
    _since: float = 0.0
    _looked: float = 0.0
    _unstaffed: float = 0.0
    _killed_at: float | None = None

    def under_way(self) -> dict[str, Watched]:
        """What runs now, or is to be run by whoever has fetched it."""
        running = [str(task_id) for key in self._keys("runs:*") for task_id in self.redis.smembers(key)]
        due = cast("list[str]", self.redis.zrange("phoenix:due", 0, -1))
        queued = [task_id for task_id in due if self._field(task_id, "state") == "queued"]
        waiting = self._on_queues()
        found = {task_id: self._seen_now(task_id, "running") for task_id in running}
        fetched = [task_id for task_id in queued if task_id not in waiting]
        return found | {task_id: self._seen_now(task_id, "prefetched") for task_id in fetched}

    def begin(self, watched: dict[str, Watched], *, worker: bool) -> None:
        """Something was killed while these were under way: a worker, or Redis."""
        self._watched, self._unstaffed = watched, 0.0
        self._since = self._looked = time.monotonic()
        self._killed_at = clock.now(self.redis) if worker else None

    def look(self) -> None:
        """See what has moved on since."""
        now = time.monotonic()
        self._unstaffed += 0.0 if self.is_staffed() else now - self._looked
        self._looked = now
        for task_id, watched in list(self._watched.items()):
            seconds = time.monotonic() - self._since - self._unstaffed
            if self._is_elsewhere(watched):
                del self._watched[task_id]
            elif waits := self._waits(task_id, watched):
                watched.note(seconds, waits)
            else:
                del self._watched[task_id]
                self._moved_on(watched, seconds)

    def _moved_on(self, watched: Watched, seconds: float) -> None:
        if seconds > 1:
            self.tell(f"{watched}; went on after {seconds:.2f} s")
        if seconds > self.longest:
            self.longest, self.slowest = seconds, str(watched)

    def _is_elsewhere(self, watched: Watched) -> bool:
        """Whether the worker that ran it has lived on: it was not hit."""
        if self._killed_at is None or watched.by is None:
            return False
        beat = self.redis.zscore("phoenix:workers", watched.by)
        return beat is not None and beat > self._killed_at

    def _waits(self, task_id: str, watched: Watched) -> str:
        """What it waits for to be run again; nothing, when it has been, or waits for something new."""
        state, run, on = (self._field(task_id, name) for name in ("state", "run", "on"))
        if run != watched.run or state not in {"running", "queued", "parked"}:
            return ""
        if state == "parked":
            return "parked until it is due" if str(on).startswith("worker ") else ""
        if state == "running":
            return "running, its worker not yet missed" if self._killed_at else "running"
        return f"queued on {self._field(task_id, 'queue')}"

    def _seen_now(self, task_id: str, before: str) -> Watched:
        name, subject, run, by = (self._field(task_id, field) for field in ("name", "subject", "run", "by"))
        return Watched(f"{name} {subject}", before, run, by)

    def _on_queues(self) -> set[str]:
        messages: Iterable[Any] = [one for queue in (RESUME_QUEUE, QUEUE) for one in self.redis.lrange(queue, 0, -1)]
        return {str(json.loads(message)["headers"]["id"]) for message in messages}

    def _keys(self, pattern: str) -> list[str]:
        return [str(key) for key in self.redis.scan_iter(f"phoenix:{pattern}", count=1000)]

    def _field(self, task_id: str, name: str) -> str | None:
        value = self.redis.hget(f"phoenix:t:{task_id}", name)
        return None if value is None else str(value)
