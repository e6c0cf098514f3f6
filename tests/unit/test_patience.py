"""Waiting for Redis, without one: what is told, and when connections are opened anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError as GoneError

from phoenix_worker.durable.patience import Patience, is_passing

if TYPE_CHECKING:
    from collections.abc import Callable


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


IN_A_SCRIPT = "ERR Error running script (call to f_1): @user_script:7: "


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ("LOADING Redis is loading the dataset in memory", True),
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", True),
        ("CLUSTERDOWN The cluster is down", True),
        ("TRYAGAIN Multiple keys request during rehashing of slot", True),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", True),
        ("READONLY You can't write against a read only replica.", True),
        ("MISCONF Errors writing to the AOF file: No space left on device", True),
        ("NOREPLICAS Not enough good replicas to write.", True),
        ("OOM command not allowed when used memory > 'maxmemory'.", True),
        ("ERR max number of clients reached", True),
        ("NOAUTH Authentication required.", True),
        (f"{IN_A_SCRIPT}OOM command not allowed when used memory > 'maxmemory'.", True),
        (f"{IN_A_SCRIPT}READONLY You can't write against a read only replica.", True),
        (f"{IN_A_SCRIPT}WRONGTYPE Operation against a key holding the wrong kind of value", False),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", False),
        ("NOPERM this user has no permissions to run the 'evalsha' command", False),
    ],
)
def test_what_redis_gets_over_is_waited_for(said: str, *, passes: bool) -> None:
    """As redis-py makes an error of it: of some it keeps the first word only in the class."""
    assert is_passing(BaseParser.parse_error(said)) is passes  # type: ignore[no-untyped-call]  # of redis-py
