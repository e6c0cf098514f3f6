"""The words in which people and programs read the ledger: jobs, what they wait for, locks. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from phoenix_producer.contract import CONTAINERS, DRAIN, DRIFT, NODES, PLAN, PLANS, REFUSE, STATUS, TEMPLATES, UNDRAIN
from phoenix_producer.ctids import parse_ctid

if TYPE_CHECKING:
    from collections.abc import Mapping

Fields = dict[str, str]
"""A hash of the ledger; empty when there is none, or not any more."""

TASK_FIELDS = ("name", "subject", "job", "state", "on", "parked", "begun", "landed", "queue")
_SHORT = 8
_OF_NODES = (DRAIN, UNDRAIN)
_LOOKS = frozenset(name.removeprefix("phoenix.") for name in (STATUS, DRIFT, PLAN, PLANS, CONTAINERS, TEMPLATES, NODES))


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    """A worker has to take it."""
    RUNNING = "running"
    WAITING = "waiting"
    CANCELLING = "cancelling"
    SET_ASIDE = "set-aside"
    """Its record cannot be handled: it stays until it is cancelled."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})


class WaitsFor(StrEnum):
    """What keeps a task."""

    LOCK = "lock"
    """Its turn at a CTID, or a place on a node."""
    PROXMOX = "proxmox"
    """The end of a Proxmox task."""
    JOB = "job"
    """The end of another job: a dependency, or an earlier, identical request."""
    WORKER = "worker"
    """A worker that takes from its queue, as none does."""
    TIME = "time"
    RETRY = "retry"
    """It met something passing, or its worker died: once more, later."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Reference:
    """Another job, named where one has to do with it."""

    job: str
    what: str
    """Such as `ensure 103`."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a job waits for."""

    kind: WaitsFor
    what: str = ""
    """The lock's name, the UPID, the other job's id, or the queue."""
    detail: str = ""
    """In the worker's words: what the Proxmox task does, or why it is tried again. Of a queue: what is missing."""
    until: float | None = None
    """Seconds since the epoch."""
    owners: tuple[Reference, ...] = ()
    """Who has the lock."""
    before: tuple[Reference, ...] = ()
    """Those whose turn comes first, the next ten: if each job named all, a queue of thousands would name millions."""
    ahead: int = 0
    """How many come first; the lock's own queue names all of them."""


@dataclass(frozen=True, slots=True)
class Job:
    """One request, from its being asked to its end. Times are seconds since the epoch, by the clock of Redis."""

    id: str
    what: str
    state: JobState
    requester: str
    created: float
    ended: float | None = None
    step: str = ""
    """The task that it is at, such as `clone 900`."""
    since: float | None = None
    """Since when it is at that, or waits."""
    waits_for: Wait | None = None
    outcome: str = ""
    """What an ensure ended with, such as `created`."""
    cause: str = ""
    """Of its failure."""
    queue: str = ""
    """The queue from which a worker has to take it; empty unless it is queued."""

    @property
    def ctid(self) -> int | None:
        """The CTID of the current step; None if it has none."""
        subject = (self.step or self.what).rpartition(" ")[2]
        return parse_ctid(subject)

    @property
    def is_past_look(self) -> bool:
        """Whether it has ended and only looked, as a status does; it has changed nothing."""
        return self.state in ENDED and self.what.partition(" ")[0] in _LOOKS


@dataclass(frozen=True, slots=True)
class Lock:
    """A lane, or the places on a node: who has it, and who is next."""

    name: str
    capacity: int
    owners: tuple[Reference, ...]
    queue: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs are asked for; what is None lets all through."""

    ctid: int | None = None
    state: JobState | None = None
    requester: str | None = None
    cause: str | None = None

    def has(self, job: Job) -> bool:
        """Return True if a job is one of them."""
        return (
            (self.ctid is None or job.what.rpartition(" ")[2] == str(self.ctid))
            and (self.state is None or job.state is self.state)
            and (self.requester is None or self.requester in job.requester)
            and (self.cause is None or job.cause == self.cause)
        )

    @property
    def are_ended(self) -> bool:
        """Whether only jobs that have ended can be among them."""
        return self.cause is not None or self.state in ENDED


def what_of(fields: Mapping[str, str]) -> str:
    """Name a task or a job: `ensure 103`. Jobs in their turn are named by the beginning of their id."""
    name, subject = fields.get("name", ""), fields.get("subject", "")
    if name == REFUSE:  # its subject is the reason, which the failure has
        return "refuse a message"
    named = subject if parse_ctid(subject) or name in _OF_NODES else subject[:_SHORT]
    return f"{name.removeprefix('phoenix.')} {named}".strip()


def reference(task_id: str, tasks: Mapping[str, Fields], jobs: Mapping[str, Fields]) -> Reference:
    """Name the job of a task; what has ended meanwhile goes by its id."""
    job = tasks.get(task_id, {}).get("job", task_id)
    return Reference(job, what_of(jobs.get(job, {})))


def current_task(members: Mapping[str, Fields]) -> str | None:
    """Find the task that a job is at: the one that is neither replaced by others nor only about to end."""
    live = [one for one, fields in members.items() if fields and fields.get("state") not in {"replaced", "done"}]
    return next((one for one in live if "landed" not in members[one]), next(iter(live), None))


def job_of(job_id: str, fields: Fields, task: Fields, waits_for: Wait | None) -> Job:
    """Build a job from its record. `task` is the one that it is at, empty if there is none.

    A record that cannot be read is one that is set aside: it hides no other.
    """
    try:
        return _read(job_id, fields, task, waits_for)
    except (LookupError, ValueError):
        return Job(job_id, what_of(fields), JobState.SET_ASIDE, fields.get("requester", ""), created=0.0)


def _read(job_id: str, fields: Fields, task: Fields, waits_for: Wait | None) -> Job:
    at = task.get("parked" if task.get("state") == "parked" else "begun")
    return Job(
        id=job_id,
        what=what_of(fields),
        state=_state(fields, task),
        requester=fields.get("requester", ""),
        created=_time(fields["created"]),
        ended=_time(fields["ended"]) if "ended" in fields else None,
        outcome=fields.get("outcome", ""),
        cause=fields.get("cause", ""),
        step=what_of(task),
        since=_time(at or fields["created"]) if task else None,
        waits_for=waits_for,
        queue=task.get("queue", "") if task.get("state") == "queued" else "",
    )


def _time(told: str) -> float:
    if not math.isfinite(at := float(told)):
        raise ValueError(told)
    return at


def _state(fields: Fields, task: Fields) -> JobState:
    if fields.get("state") != "open":
        return JobState(fields["state"])
    if "cancel" in fields:
        return JobState.CANCELLING
    states = {"parked": JobState.WAITING, "running": JobState.RUNNING, "aside": JobState.SET_ASIDE}
    return states.get(task.get("state", ""), JobState.QUEUED)


def waits_on(task: Fields) -> tuple[WaitsFor, str]:
    """Read what a parked task waits for, and its name."""
    kind, _, what = task.get("on", "").partition(":")
    if kind == "lock":
        return WaitsFor.LOCK, what
    if kind == "ev":
        of, _, name = what.partition("/")
        events = {"upid": WaitsFor.PROXMOX, "template": WaitsFor.PROXMOX, "job": WaitsFor.JOB}
        return events.get(of, WaitsFor.OTHER), "" if of == "template" else name
    if kind == "sleep":
        return WaitsFor.TIME, ""
    return WaitsFor.RETRY, ""
