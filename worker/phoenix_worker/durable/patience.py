"""Redis goes away and comes back: whatever needs it waits, for as long as that takes, and the process says so once."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, TypeVar

from kombu.exceptions import OperationalError
from redis import exceptions as redis_errors

from phoenix_producer.client.redis_words import words_of

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

logger = logging.getLogger(__name__)

_LONGEST_BACKOFF = 30.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0

PASSING_TROUBLE = (
    redis_errors.ConnectionError,  # also a changed password and a server that is loading
    redis_errors.TimeoutError,
    redis_errors.ReadOnlyError,
    redis_errors.OutOfMemoryError,
    redis_errors.ClusterDownError,  # what stands before a cluster answers so; also a replica that has lost its master
    redis_errors.TryAgainError,
)
"""What a Redis gets over, by itself or with an operator's help: waited for, never a reason to lose one's place."""

SENDING_TROUBLE = (
    OperationalError,
    redis_errors.RedisError,
    OSError,
    AttributeError,  # kombu's, about a connection that was closed while another thread began to use it
)
"""What publishing raises when Redis goes away. What is in the ledger follows by itself."""

_PASSING_WORDS = ("OOM ", "READONLY ", "MISCONF ", "NOREPLICAS ", "MASTERDOWN ", "BUSY ", "LOADING ")
"""The same as older servers tell it from inside a script, and what has no class of its own: a full disk, say."""


def is_passing(error: BaseException) -> bool:
    """Return whether Redis gets over it."""
    return isinstance(error, PASSING_TROUBLE) or (
        isinstance(error, redis_errors.ResponseError) and any(word in str(error) for word in _PASSING_WORDS)
    )


def is_of_redis(error: BaseException) -> bool:
    """Return whether Redis went away, as it is told where nobody waits for it: by what publishes, too."""
    return isinstance(error, OperationalError) or is_passing(error)


def backoff(tries: int) -> float:
    """Seconds until what failed for a passing reason is tried again, for the `tries`-th time after the first."""
    return min(0.5 * 2.0**tries, _LONGEST_BACKOFF) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter


class Patience:
    """Repeats a call until Redis is there. Its calls must be such that a second run changes nothing."""

    def __init__(self) -> None:
        self._troubled = False
        self._over = 0.0
        self.renew: list[Callable[[], None]] = []
        """Each closes connections that are idle: what was opened before a trouble may be dead, and nobody was told."""

    def until_answered(self, call: Callable[[], T], *, meanwhile: Callable[[], None] | None = None) -> T:
        """Return what the call returns once Redis answers; raises what Redis does not get over.

        `meanwhile` is called before each pause, and may raise to give up.
        """
        pause = _SHORTEST_PAUSE
        while True:
            began = time.monotonic()
            try:
                answer = call()
            except redis_errors.RedisError as error:
                if not is_passing(error):
                    raise
                if began > self._over:
                    self._tell(error)
                if meanwhile is not None:
                    meanwhile()
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                if self._troubled:
                    self._end()
                return answer

    def _tell(self, error: Exception) -> None:
        if not self._troubled:
            self._troubled = True
            words = words_of(str(error))
            logger.warning("Redis does not answer (%s). Waiting for it; nothing is lost meanwhile.", words)
            self._renew()

    def _end(self) -> None:
        """Calls that began before and fail yet tell nothing new."""
        self._troubled, self._over = False, time.monotonic()
        self._renew()
        logger.warning("Redis answers again.")

    def _renew(self) -> None:
        for renew in self.renew:
            renew()


patience = Patience()
"""That of this process: its threads say it once together."""


class _ToldHere(logging.Filter):
    """Drops what kombu tells of passing trouble, with a traceback at each of several attempts a second."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return error is None or not is_passing(error)


def tell_once() -> None:
    """Leave it to `patience` to tell that Redis does not answer."""
    logging.getLogger("kombu.transport.redis").addFilter(_ToldHere())
