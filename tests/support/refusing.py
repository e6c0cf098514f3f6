"""All that somebody reads of a refusal, for expectations of whole texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from phoenix_worker.core.model.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable


class Refusal(NamedTuple):
    """What an error tells, and whether it may pass by itself."""

    message: str
    cause: str
    remedy: str
    passes: bool = False


def told(error: Exception | None) -> Refusal:
    """What an error tells."""
    assert isinstance(error, PermanentError | TransientError)
    return Refusal(error.message, error.cause, error.remedy, isinstance(error, TransientError))


def refusal_of(do: Callable[[], object]) -> Refusal:
    """What is told when this is done."""
    with pytest.raises((PermanentError, TransientError)) as refused:
        do()
    return told(refused.value)
