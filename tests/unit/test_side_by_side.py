"""Looks at many CTIDs at once: what fails spoils no other, and what passes by itself is looked at again."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from phoenix_worker.answers.side_by_side import side_by_side
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.durable.run import GivenUpError
from phoenix_worker.proxmox.error_table import UNREACHABLE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration

CTIDS = range(100, 140)


def task(cluster: Callable[..., Any] = dict, *, cancelled: str | None = None) -> PhoenixTask:
    """As much of a task as looks need."""
    noted: list[tuple[Any, int, int]] = []

    def note(*told: Any) -> str | None:
        noted.append(told)
        return cancelled

    ledger = SimpleNamespace(note_looked=note)
    running = SimpleNamespace(job="j", claimed_at=1.0, created=1.0)
    facts = {"running": running, "engine": SimpleNamespace(ledger=ledger), "noted": noted}
    return cast("PhoenixTask", SimpleNamespace(proxmox=SimpleNamespace(cluster=cluster), **facts))


def answers(look: Callable[[int], str], one: PhoenixTask | None = None) -> dict[int, str]:
    declared = [cast("Declaration", SimpleNamespace(ctid=ctid)) for ctid in CTIDS]
    told = side_by_side(one or task(), declared, lambda it: look(it.ctid), lambda _, problem: problem)
    return dict(zip(CTIDS, told, strict=True))


def failing(error: Exception) -> Callable[[int], str]:
    def look(ctid: int) -> str:
        if ctid == 103:
            raise error
        return f"CT {ctid}"

    return look


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PermanentError("Forbidden.", cause="no", remedy="x"), "Forbidden."),
        (TransientError("Its node is silent.", cause=UNREACHABLE), "Its node is silent."),
        (KeyError("rootfs"), "Unexpected error: KeyError: 'rootfs'."),
    ],
)
def test_what_fails_is_told_and_spoils_no_other(error: Exception, told: str) -> None:
    assert answers(failing(error)) == {ctid: told if ctid == 103 else f"CT {ctid}" for ctid in CTIDS}


def test_what_passes_by_itself_is_looked_at_again() -> None:
    troubles: list[Any] = [TransientError("Locked.", cause="locked"), TransientError("Locked.", cause="locked")]

    def look(ctid: int) -> str:
        if ctid == 103 and troubles:
            raise troubles.pop()
        return f"CT {ctid}"

    assert answers(look) == {ctid: f"CT {ctid}" for ctid in CTIDS}


def test_a_proxmox_that_is_away_as_a_whole_is_waited_for() -> None:
    away = TransientError("Nothing answers.", cause=UNREACHABLE)

    def nobody() -> None:
        raise away

    with pytest.raises(TransientError) as raised:
        answers(failing(away), task(nobody))
    assert raised.value is away


def test_who_cancels_is_not_kept_waiting_for_the_rest() -> None:
    looked, one = list[int](), task(cancelled='"nobody wants it"')

    def look(ctid: int) -> str:
        looked.append(ctid)
        wait_for(lambda: vars(one)["noted"])
        time.sleep(0.3)  # in which the others are taken back
        return ""

    with pytest.raises(GivenUpError, match="nobody"):
        answers(look, one)
    assert len(looked) < len(CTIDS)


def test_a_redis_that_is_away_is_no_answer() -> None:
    with pytest.raises(RedisConnectionError):
        answers(failing(RedisConnectionError("gone")))


def test_how_far_it_is_is_noted() -> None:
    one = task()
    noted = vars(one)["noted"]

    def look(ctid: int) -> str:
        if ctid == CTIDS[-1]:
            wait_for(lambda: noted and noted[-1][1])
        return f"CT {ctid}"

    answers(look, one)
    run, looked, total = noted[-1]
    assert (run.job, total) == ("j", len(CTIDS))
    assert 1 <= looked < total
