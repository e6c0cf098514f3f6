"""How long a cancelled job waits for what Proxmox still does: by what it slept, whatever any clock says."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from phoenix_worker.actions.abandon import _await_end
from phoenix_worker.core.model.ports import TaskEnd
from phoenix_worker.durable.run import Parked

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_worker.base import PhoenixTask

END = TaskEnd("OK", ("TASK OK",), ())


class Waiting:
    """As much of a task as waits: it keeps what it has read, and is run again from its top when it has slept."""

    def __init__(self, ends_at: int | None) -> None:
        self._ends_at = ends_at
        self.journal: dict[str, Any] = {}
        self.looks = 0
        self.slept: list[float] = []
        self._sleeps = 0
        self.proxmox = SimpleNamespace(task_end=self._end)

    def _end(self, _: str) -> TaskEnd | None:
        self.looks += 1
        return None if self._ends_at is None or self.looks < self._ends_at else END

    def read(self, step: str, look: Callable[[], Any]) -> Any:
        if step not in self.journal:
            self.journal[step] = look()
        return self.journal[step]

    def once(self, step: str, act: Callable[[], Any]) -> Any:
        return self.read(step, act)

    def sleep(self, seconds: float) -> None:
        self._sleeps += 1
        if self._sleeps > len(self.slept):
            self.slept.append(seconds)
            raise Parked

    def run(self, *upids: str) -> list[TaskEnd | None]:
        while True:
            self._sleeps = 0
            try:
                return [_await_end(cast("PhoenixTask", self), upid) for upid in upids]
            except Parked:
                continue


@pytest.mark.parametrize("step", [0.0, 3600.0, -3600.0])
def test_it_is_waited_for_as_long_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    ahead = [0.0]

    def now() -> float:
        ahead[0] += step
        return 1_760_000_000.0 + ahead[0]

    monkeypatch.setattr(time, "time", now)
    task = Waiting(None)
    assert task.run("UPID:x", "UPID:y") == [None, None]
    half = len(task.slept) // 2
    assert task.slept[:half] == task.slept[half:]
    assert sum(task.slept[:half]) == pytest.approx(15.1)
    assert task.looks == len(task.slept) + 2, "each look is made once"


def test_the_end_is_known_as_soon_as_it_is_seen() -> None:
    task = Waiting(3)
    assert task.run("UPID:x", "UPID:y") == [END, END]
    assert task.slept == [0.1, 0.2]
