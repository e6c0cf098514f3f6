"""What is only shown has less patience than what is done: which passing errors end a plan early."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from phoenix_worker.answers.side_by_side import only_shown
from phoenix_worker.core.model.errors import PermanentError, TransientError


def task(failing_for: float | None) -> Any:
    since = None if failing_for is None else 100.0 - failing_for
    running = SimpleNamespace(claimed_at=100.0, since=since)
    return cast("Any", SimpleNamespace(running=running, proxmox=SimpleNamespace(cluster=dict)))


@pytest.mark.parametrize(
    ("cause", "failing_for", "ends"),
    [
        ("unreachable", None, False),
        ("unreachable", 2.0, False),
        ("unreachable", 3.5, True),
        ("no-node", None, False),
        ("no-node", 2.0, False),
        ("no-node", 3.5, True),
        ("no-quorum", 3.5, False),
    ],
)
def test_a_node_that_is_needed_is_waited_for_three_seconds(cause: str, failing_for: float | None, ends: bool) -> None:
    told = only_shown(task(failing_for), TransientError("why", cause=cause, remedy="what to do"))
    assert isinstance(told, PermanentError if ends else TransientError)
    assert (told.message, told.cause, told.remedy) == ("why", cause, "what to do")
