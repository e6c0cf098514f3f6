"""What the engine does, told as it happens to whoever looks on: logs and metrics by `listeners`, Flower by events.

Nobody's listening costs anything but a call, and nothing that a listener does can hurt a task. Celery's own events go
on beside these: a state that is not Celery's stands in Flower until the next of ours, or until the task has ended, so
each run after the first says that it runs, and clears what the task waited for.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phoenix_worker.durable.run import End

logger = logging.getLogger(__name__)


class Kind(StrEnum):
    """What happened. Most are a task's state in Flower too, in capitals."""

    BEGINS = "begins"
    RUNS_AGAIN = "running-again"
    WAITS = "waiting-for"
    """It parked; `on` says for what kind of thing."""
    TRIES_LATER = "trying-again-later"
    HOLDS = "holds"
    """It has a lock, after `seconds` in its line."""
    ORDERED = "ordered"
    """A remote task was begun, or found that an earlier run had begun it."""
    IN_STEPS = "running-its-steps"
    """It was replaced by a chain that ends in it."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TAKEN_OVER = "taken-over"
    """`value` runs of dead workers, or of dead child processes, are due again."""
    SENT_AGAIN = "sent-again"
    """`value` messages had got lost."""
    WENT_BACK = "went-back"
    """Redis lost what it had answered to: it crashed, or a replica took its place."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that happened. Acts of no task have neither task nor job."""

    kind: Kind
    task: str = ""
    """Celery's name of it."""
    id: str = ""
    job: str = ""
    subject: str = ""
    """The task's first argument."""
    about: Mapping[str, str] = field(default_factory=dict)
    """What the task says of itself."""
    on: str = ""
    detail: str = ""
    upid: str = ""
    seconds: float | None = None
    value: Any = None
    end: End | None = None
    """Of the act that ended a task."""


STATES = frozenset({Kind.RUNS_AGAIN, Kind.WAITS, Kind.TRIES_LATER, Kind.IN_STEPS})
"""Shown in Flower as states of their own."""

listeners: list[Callable[[Act], None]] = []


def tell(act: Act) -> None:
    """Tell all listeners."""
    for listener in listeners:
        try:
            listener(act)
        except Exception:
            logger.exception("An event listener raised an exception.")
