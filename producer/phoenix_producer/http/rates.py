"""How often a token may ask, and how much at a time. Each process counts for itself."""

from __future__ import annotations

import time
from collections import Counter, deque
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from phoenix_producer.http.problems import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_producer.http.tokens import Token

PER_SECOND = 100
AT_A_TIME = 400
"""Requests of a token that are not answered in full, event streams above all: others have the rest of what there is."""
_WINDOW = 1.0


class Rates:
    """Counts the requests of each token in the last second. `per_second` is the most that it may make."""

    def __init__(self, per_second: int = PER_SECOND) -> None:
        self._most = per_second
        self._asked: dict[str, deque[float]] = {}
        """When each token asked in the last second, by `time.monotonic`: the machine's clock may be set."""
        self._open: Counter[str] = Counter()

    def count(self, token: Token) -> None:
        """Count a request. Raises Refused, with when to come again, for one too many; that one does not count."""
        now = time.monotonic()
        asked = self._asked.setdefault(token.name, deque())
        while asked and asked[0] <= now - _WINDOW:
            asked.popleft()
        if len(asked) >= self._most:
            raise Refused(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"The token {token.name} may ask {self._most} times in a second.",
                **{"Retry-After": "1"},
            )
        asked.append(now)

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
