"""How long it takes until what ran at the moment of a kill has moved on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis import Redis


@dataclass
class Recovery:
    """Looks at the ledger. Kills whose recovery a second one interrupts count from the second."""

    redis: Redis
    longest: float = 0.0
    _runs: dict[str, str] = field(default_factory=dict)
    _since: float = 0.0

    def running(self) -> dict[str, str]:
        """What runs now, with its run number."""
        ids = [str(task_id) for key in self.redis.scan_iter("phoenix:runs:*") for task_id in self.redis.smembers(key)]
        return {task_id: str(self.redis.hget(f"phoenix:t:{task_id}", "run")) for task_id in ids}

    def begin(self, runs: dict[str, str]) -> None:
        """Something was killed while these ran."""
        self._runs, self._since = runs, time.monotonic()

    def look(self) -> None:
        """See what has moved on since."""
        if not self._runs:
            return
        self._runs = {task_id: run for task_id, run in self._runs.items() if self._still(task_id, run)}
        if not self._runs:
            self.longest = max(self.longest, time.monotonic() - self._since)

    def _still(self, task_id: str, run: str) -> bool:
        state, now = self.redis.hmget(f"phoenix:t:{task_id}", "state", "run")
        on = self.redis.hget(f"phoenix:t:{task_id}", "on") or ""
        waits_to_run_again = state == "queued" or (state == "parked" and str(on).startswith("worker "))
        return (state == "running" or waits_to_run_again) and now == run
