"""How often a token may ask. It is counted in this process: a second server counts for itself."""

from __future__ import annotations

import math
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from phoenix_producer.http.problems import Refused

if TYPE_CHECKING:
    from phoenix_producer.http.tokens import Token

PER_SECOND = 100


class Rates:
    """Counts the requests of each token in the last second. `per_second` is the most that it may make."""

    def __init__(self, per_second: int = PER_SECOND) -> None:
        self._most = RateLimitItemPerSecond(per_second)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

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
