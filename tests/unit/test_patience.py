"""Waiting for Redis, without one: what is told, and when connections are opened anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.exceptions import ConnectionError as GoneError

from phoenix_worker.durable.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def failing(times: int, meanwhile: Callable[[], object] = lambda: None) -> Callable[[], str]:
    """A call that fails so often, each time after what else happens meanwhile."""
    left = [meanwhile] * times

    def call() -> str:
        if left:
            left.pop()()
            raise GoneError("silence")
        return "answer"

    return call


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [" ".join(record.getMessage().split()[:3]) for record in caplog.records]


def test_a_trouble_is_told_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    assert Patience().until_answered(failing(3)) == "answer"
    assert told(caplog) == ["Redis does not", "Redis answers again."]


def test_a_call_from_before_the_end_that_fails_after_it_tells_nothing_new(caplog: pytest.LogCaptureFixture) -> None:
    patience = Patience()
    assert patience.until_answered(failing(1, lambda: patience.until_answered(failing(1)))) == "answer"
    assert told(caplog) == ["Redis does not", "Redis answers again."]
    assert patience.until_answered(failing(1)) == "answer"
    assert told(caplog)[2:] == ["Redis does not", "Redis answers again."], "the next trouble is told"


def test_idle_connections_are_dropped_when_trouble_begins_and_when_it_ends() -> None:
    patience, times = Patience(), list[str]()
    patience.renew.append(lambda: times.append("renewed"))
    patience.until_answered(failing(2))
    assert times == ["renewed"] * 2
