"""One run of a task: what it knows of itself, what it will answer, and how it may end."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from celery.exceptions import Ignore


class Parked(Ignore):
    """This run is over; the task goes on in another."""


class Stale(Ignore):
    """This run was declared dead and the task runs elsewhere: it may not do anything any more."""


class Dropped(Ignore):
    """The message is a duplicate of one that was claimed before."""


class GivenUpError(Exception):
    """Why a task must not be run again: its worker died each time, or what it waited for failed. In JSON."""


class Answer(NamedTuple):
    """What Celery's result backend would store as a task's end: where, the text, and for how many seconds."""

    key: str
    text: str
    seconds: int


NO_ANSWER = Answer("", "", 0)
"""Nobody asked for a result, or the backend has stored it itself."""


@dataclass(slots=True)
class Run:
    """One run of one task, as claimed. `journal` is what earlier runs of this generation left."""

    id: str
    number: str
    seq: str
    job: str
    landed: str
    fail: str
    tries: int
    since: float | None
    """Seconds since the epoch of the first of the transient failures that this task meets just now."""
    begun: float
    claimed_at: float
    detached: str
    """Why the requester of this job does not want it any more while others still do; in JSON."""
    journal: dict[str, str] = field(default_factory=dict)
    reads: dict[str, str] = field(default_factory=dict)
    """What of it is told to the ledger with the next word."""
    sleeps: int = 0
    replacing: bool = False
    over: bool = False
    """Parked, replaced or finished: nothing more may be said in this run's name."""
    value: Any = None
    answer: Answer | None = None
    """Stored by the script that ends the task."""
    notes: tuple[str, ...] = ()
    """What its requester should know besides."""
    about: dict[str, str] = field(default_factory=dict)
    """What the task says of itself to those who look on."""


current_run: ContextVar[Run | None] = ContextVar("phoenix_run", default=None)
"""The run that this thread is in."""
