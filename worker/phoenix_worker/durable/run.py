"""One run of a task: what it knows of itself, what it will answer, and how it may end."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from celery.exceptions import Ignore

from phoenix_producer.client.record import number
from phoenix_worker.durable.patience import backoff
from phoenix_worker.durable.uptime import uptime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenix_producer.client.trace_context import TraceContext

PARKED_ON = ("lock", "upid", "template", "job", "sleep", "retry", "address")
"""The order in which `close` in `ends.lua` reports them."""


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


class End(NamedTuple):
    """The end of a task and, if `took` is known, of its job."""

    took: float | None = None
    """Seconds since it was asked for."""
    parked: dict[str, float] = {}  # noqa: RUF012 - nobody writes to it
    """Those of which its tasks were parked, by what for."""
    replaced: tuple[str, ...] = ()
    """Tasks of the job that had been replaced, and ended with its failure."""
    request: str = ""
    """The name of the task that asked for the job."""
    shared: bool = False
    """Whether others share the job's run, and are given its end by the next tick."""
    requester: str = ""

    @classmethod
    def of_job(
        cls,
        took: str,
        parked: list[str | None],
        replaced: Sequence[str],
        request: str,
        shared: int = 0,
        requester: str = "",
    ) -> End:
        """Return the end that a script tells of. What others wrote in the place of a time is left out."""
        seconds = {kind: at for kind, told in zip(PARKED_ON, parked, strict=True) if told and (at := number(told, 0.0))}
        return cls(number(took, 0.0), seconds, tuple(replaced), request, bool(shared), requester)


@dataclass(slots=True)
class Run:
    """One run of one task, as claimed. `journal` is what earlier runs of this generation left."""

    id: str
    number: str
    """Its number, and after a `/` its claim: only both together are never given to another run."""
    seq: str
    job: str
    landed: str
    fail: str
    tries: int
    since: float | None
    """Seconds since the epoch of the first of the transient failures that this task meets just now."""
    begun: float
    claimed_at: float
    created: float
    """When its job was requested, by the same clock."""
    detached: str
    """Why the requester of this job does not want it any more while others still do; in JSON."""
    journal: dict[str, str] = field(default_factory=dict)
    reads: dict[str, str] = field(default_factory=dict)
    """What of it is told to the ledger with the next word."""
    sleeps: int = 0
    forgot: int = 0
    """How often what this run has forgotten was forgotten before: each time is waited for longer."""
    replacing: bool = False
    landed_now: bool = False
    """Its successor was recorded in this run."""
    over: bool = False
    """Parked, replaced or finished: nothing more may be said in this run's name."""
    value: Any = None
    answer: Answer | None = None
    """Stored by the script that ends the task."""
    notes: tuple[str, ...] = ()
    """What its requester should know besides."""
    about: dict[str, str] = field(default_factory=dict)
    """What the task says of itself to those who look on."""
    trace: TraceContext | None = None
    """The trace that its requester is in, or that begins with its job."""
    claim_time: float = 0.0
    """When it was claimed, by the clock of Redis, be it set since the last tick or not."""
    _heard: float = field(default_factory=uptime)
    """When that was, by the uptime of this machine."""

    @property
    def is_first(self) -> bool:
        """Whether nobody is known to have run its task before."""
        return self.number.partition("/")[0] == "1"

    def now(self) -> float:
        """Return the time by the clock of Redis, in seconds since the epoch, without asking it."""
        return self.claim_time + uptime() - self._heard

    def come_forward(self, *steps: str) -> None:
        """Count troubles from here on, as `progress` in `engine.lua`: what is met after this was not met before.

        Not from steps on that are all done again: what made them be forgotten may not have passed.
        """
        self.tries = 0
        if not steps or any(f"!{step}" not in self.journal for step in steps):
            self.since = None

    def forget(self, step: str) -> None:
        """Have a step done again, as `forget.lua`."""
        if self.journal.pop(step, None) is not None:
            before = int(number(self.journal.get(f"!{step}", ""), 0.0))
            self.journal[f"!{step}"], self.forgot = str(before + 1), max(self.forgot, before)

    def pause(self, patience: float) -> float | None:
        """Return the seconds until what met trouble is tried again; None when that went on for longer than patience."""
        if self.since is not None and self.claimed_at - self.since > patience:
            return None
        return backoff(max(self.tries, self.forgot))

    def unread(self) -> None:
        """Forget what was read since the last word: it is read again, and is no progress."""
        for step in self.reads:
            self.journal.pop(step, None)
        self.reads.clear()


FORGOTTEN = 0.0
"""The time of an order that Redis may have forgotten, if it was ever sent: nobody knows when."""

current_run: ContextVar[Run | None] = ContextVar("phoenix_run", default=None)
"""The run that this thread is in."""


def now() -> float:
    """Return the time for what other runs will read, in seconds since the epoch: by the clock of Redis.

    The steps of a job run on several machines, whose clocks may differ by hours. Outside a run there is nobody to
    differ from.
    """
    run = current_run.get()
    return time.time() if run is None else run.now()  # noqa: TID251 - where there is no other
