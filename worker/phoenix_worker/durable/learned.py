"""What is kept in Redis of how long remote jobs took, by their class: all workers learn from the same."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, cast

from redis.exceptions import ResponseError

from phoenix_worker.durable import polling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenix_worker.durable.ledger import Ledger

_REMEMBER_SECONDS = 30 * 86400
_LONGEST = 7 * 86400.0


class Learned:
    """Reads and keeps the lengths of remote jobs. Every method may raise RedisError."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def lengths(self, watch: Mapping[str, str]) -> list[float]:
        """Return how many seconds such jobs took; nothing of one without a class, which takes no usual time.

        What is no length was written by others: all that is known of the class is forgotten then.
        """
        if "class" not in watch:
            return []
        try:
            lengths = [float(text) for text in cast("list[str]", self._ledger.client.lrange(self._key(watch), 0, -1))]
        except (ResponseError, ValueError):
            lengths = [-1.0]
        if all(0 <= length <= _LONGEST for length in lengths):
            return lengths
        self._ledger.client.delete(self._key(watch))
        return []

    def usual(self, kind: str) -> float | None:
        """Return how many seconds jobs of a class take; None of one that is not known."""
        lengths = self.lengths({"class": kind})
        return median(lengths) if lengths else None

    def add(self, watch: Mapping[str, str], seconds: float) -> None:
        """Keep how many seconds a job took, with those of its class that ended last."""
        with self._ledger.client.pipeline() as pipeline:
            pipeline.lpush(self._key(watch), f"{seconds:.4f}")
            pipeline.ltrim(self._key(watch), 0, polling.REMEMBERED - 1)
            pipeline.expire(self._key(watch), _REMEMBER_SECONDS)
            pipeline.execute()

    def _key(self, watch: Mapping[str, str]) -> str:
        return self._ledger.key("learned:", watch["class"])
