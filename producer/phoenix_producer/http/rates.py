"""How often a token may ask, and how much at a time. Each process counts for itself."""

from __future__ import annotations

import math
import time
from collections import Counter
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from phoenix_producer.http.problems import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_producer.http.tokens import Token

PER_SECOND = 100
AT_A_TIME = 400
"""Requests of a token that are not answered in full, event streams above all: others have the rest of what there is."""


class Rates:
    """Counts the requests of each token in the last second. `per_second` is the most that it may make."""

    def __init__(self, per_second: int = PER_SECOND) -> None:
        self._most = RateLimitItemPerSecond(per_second)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._open: Counter[str] = Counter()

    async def count(self, token: Token) -> None:
        """Count a request. Raises Refused, with when to come again, for one too many; that one does not count."""
        if await self._limiter.hit(self._most, token.name):
            return
        window = await self._limiter.get_window_stats(self._most, token.name)
        seconds = max(1, math.ceil(window.reset_time - time.time()))
        raise Refused(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"The token {token.name} may ask {self._most.amount} times in a second.",
            **{"Retry-After": str(seconds)},
        )

    @contextmanager
    def open(self, token: Token) -> Iterator[None]:
        """Count a request until the block ends. Raises Refused for one too many at a time."""
        if self._open[token.name] >= AT_A_TIME:
            refusal = f"The token {token.name} may have {AT_A_TIME} requests open at a time, event streams among them."
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, refusal, **{"Retry-After": "5"})
        self._open[token.name] += 1
        try:
            yield
        finally:
            self._open[token.name] -= 1
            if not self._open[token.name]:
                del self._open[token.name]
