"""Answers of Redis to several questions at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis import RedisError

if TYPE_CHECKING:
    from redis.client import Pipeline


def is_of_another_kind(error: Exception) -> bool:
    """Return whether Redis has a key of another kind in the place of the one that was asked for."""
    return str(error).startswith("WRONGTYPE")


def answers(pipe: Pipeline) -> list[Any]:
    """Ask what a pipeline has been given, and return the answers in their order.

    Whoever may write to Redis may put a key of another kind where one of ours is: that is answered with None, so that
    it hides nothing else. Raises RedisError for whatever else Redis has against one of the questions.
    """
    told = pipe.execute(raise_on_error=False)
    for error in told:
        if isinstance(error, RedisError) and not is_of_another_kind(error):
            raise error
    return [None if isinstance(one, RedisError) else one for one in told]
