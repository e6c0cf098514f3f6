"""Whenever a request ends while it is read, what is told of it is of before, or the end with its answer."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer.client.link import Link
from phoenix_producer.contract import EnsureResult, Outcome
from phoenix_producer.http.requests import Requests
from phoenix_producer.ledger.entries import JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from tests.support.driven_ledger import DrivenLedger


class EndsMeanwhile(Link):
    """A connection over which a request ends, right before the question after so many."""

    def __init__(self, url: str, questions: int, end: Callable[[], None]) -> None:
        super().__init__(url)
        self._left, self._end = questions, end

    def look(self, question: Callable[[Any], object]) -> list[Any]:
        """Ask, and count."""
        self._count()
        return super().look(question)

    def answer(self, request_id: str) -> dict[str, Any] | None:
        """Read the answer, and count."""
        self._count()
        return super().answer(request_id)

    def _count(self) -> None:
        if self._left == 0:
            self._end()
        self._left -= 1


@pytest.mark.parametrize("questions", range(6))
def test_an_end_is_never_told_without_its_answer(
    questions: int, driven: DrivenLedger, redis_client: Redis, redis_url: str
) -> None:
    run = driven.taken(103)
    result = EnsureResult(request_id=run.id, ctid=103, outcome=Outcome.CREATED, node="pve1").model_dump(mode="json")
    stored = json.dumps({"status": "SUCCESS", "result": result, "task_id": run.id})

    def end() -> None:
        redis_client.set(f"celery-task-meta-{run.id}", stored)
        driven.ended(run)

    with closing(EndsMeanwhile(redis_url, questions, end)) as link:
        view = Requests(link, "").view(run.id)
    assert (view.state, view.result is None) in {(JobState.RUNNING, True), (JobState.DONE, False)}
