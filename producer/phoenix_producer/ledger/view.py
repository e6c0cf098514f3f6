"""What the ledger knows, read straight from Redis: no worker has to run for it.

It is no snapshot: a job may go on, or end, between two looks. What is gone by then is left out or named by its id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from phoenix_producer.client.channel import Entry
from phoenix_producer.client.record import PREFIX, number
from phoenix_producer.contract import ContractError, Progress, Step
from phoenix_producer.ledger.entries import (
    ENDED,
    TASK_FIELDS,
    Fields,
    Job,
    Lock,
    Wait,
    WaitsFor,
    current_task,
    job_of,
    reference,
    waits_on,
)
from phoenix_producer.ledger.takers import takers

if TYPE_CHECKING:
    from redis.client import Pipeline

Look = Callable[[Callable[["Pipeline"], object]], list[Any]]
"""Asks several things of Redis in one round trip: `Link.look`. None answers what is asked of a key of another kind."""

_NO_JOB, _NO_TASK = {"state": "?"}, {"state": "aside"}
"""What is read instead of a job or a record that is of another kind: it is shown as set aside, and hides no other."""
_AT_ONCE = 500
_LOOKED = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
_LAST_LINES = 10
_SHOWN = 10
_LAST_TIME = 1e11
"""Seconds since the epoch: in the year 5138."""
_ALIVE_SECONDS = 12
"""A heart beats six times in each PHOENIX_HEARTBEAT_TTL, which is a minute at most."""


class _Line(NamedTuple):
    """Who stands where in a lock, in order."""

    owners: tuple[str, ...]
    queue: tuple[str, ...]

    @property
    def places(self) -> dict[str, int]:
        """How many are before each in the queue."""
        return {one: place for place, one in enumerate(self.queue)}

    @property
    def everybody(self) -> tuple[str, ...]:
        return (*self.owners, *self.queue)


class LedgerView:
    """Reads jobs, histories and locks. Every method may raise Unreachable."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def jobs(self, *, ended: bool = False, newest: int | None = None) -> list[Job]:
        """List the open jobs, oldest first; with `ended` those of the last week too. Or the `newest` of them alone."""
        known = self._hashes("job:", self._index("jobs" if ended else "open", newest))
        return self._told({job: fields for job, fields in known.items() if ended or fields.get("state") not in ENDED})

    def job(self, job_id: str) -> Job | None:
        """Read one job; None when it is not known, or not any more."""
        return next(iter(self.those([job_id])), None)

    def those(self, job_ids: Iterable[str]) -> list[Job]:
        """Read jobs by their ids; those that are not known, or not any more, are left out."""
        return self._told(self._hashes("job:", job_ids))

    def find(self, beginning: str) -> str:
        """Complete the beginning of a job's id. Raises ContractError when no job has it, or several."""
        if not beginning:
            raise ContractError("A job is named by its id, or by the beginning of it.")
        found = [job for job in self._index("jobs") if job.startswith(beginning.lower())]
        if not found:
            raise ContractError(f"No job of the last week begins with {beginning}. See: phoenix-lxc jobs --all")
        if len(found) > 1:
            several = ", ".join(found[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
            raise ContractError(f"{beginning} is the beginning of {len(found)} jobs: {several}. Give more of the id.")
        return found[0]

    def history(self, job_id: str) -> list[Progress]:
        """Read what happened to a job, from its beginning."""
        (lines,) = self._look(lambda pipe: pipe.xrange(f"{PREFIX}job:{job_id}:log"))
        entries = [Entry(job_id, place, fields) for place, fields in lines or ()]
        return [entry.progress() for entry in entries if entry.is_known]

    def looked(self, job_id: str) -> tuple[int, int] | None:
        """Read how many of all CTIDs a job has looked at that looks at many; None as long as it has not said."""
        (told,) = self._look(lambda pipe: pipe.hget(f"{PREFIX}job:{job_id}", "looked"))
        found = _LOOKED.fullmatch(str(told or ""))
        return (int(found[1]), int(found[2])) if found else None

    def steps(self, job_id: str) -> list[Step]:
        """Read what the steps of a job did; what cannot be read of it is left out."""
        (values,) = self._look(lambda pipe: pipe.lrange(f"{PREFIX}job:{job_id}:steps", 0, -1))
        return [step for value in values or () if (step := _step(value)) is not None]

    def locks(self) -> list[Lock]:
        """List the locks that somebody has, and who waits for each, in order."""
        (capacities,) = self._look(lambda pipe: pipe.hgetall(f"{PREFIX}capacities"))
        lines = {name: line for name, line in self._lines(capacities or ()).items() if line.everybody}
        tasks, jobs = self._named(one for line in lines.values() for one in line.everybody)
        return [
            Lock(
                name,
                int(number(capacities[name], 1)),
                tuple(reference(one, tasks, jobs) for one in line.owners),
                tuple(reference(one, tasks, jobs) for one in line.queue),
            )
            for name, line in sorted(lines.items())
        ]

    def takers(self) -> dict[str, int]:
        """Count, by queue, the workers that take from it: of those whose heart has beaten in the last 12 seconds."""
        (seconds, _), beats, told = self._look(
            lambda pipe: (
                pipe.time(),
                pipe.zrange(f"{PREFIX}workers", 0, -1, withscores=True),
                pipe.hgetall(f"{PREFIX}queues"),
            )
        )
        return takers([one for one, beaten in beats or () if seconds - beaten < _ALIVE_SECONDS], told or {})

    def _told(self, known: dict[str, Fields]) -> list[Job]:
        at = self._tasks_of([job for job, fields in known.items() if fields.get("state") == "open"])
        # An open job is always at some task: one that is at none has ended since it was looked at.
        lost = [job for job, fields in known.items() if fields.get("state") == "open" and job not in at]
        again = dict.fromkeys(lost, Fields()) | self._hashes("job:", lost)
        known = {job: fields for job in known if (fields := again.get(job, known[job]))}
        waits = self._waits({job: task for job, task in at.items() if task[1].get("state") == "parked"})
        queued = {job: task.get("queue", "") for job, (_, task) in at.items() if task.get("state") == "queued"}
        waits |= self._untaken(queued)
        return [job_of(job, fields, at.get(job, ("", {}))[1], waits.get(job)) for job, fields in known.items()]

    # --- looks at Redis

    def _index(self, name: str, newest: int | None = None) -> list[str]:
        (ids,) = self._look(lambda pipe: pipe.zrange(f"{PREFIX}{name}", -newest if newest else 0, -1))
        return list(map(str, ids or ()))

    def _each(self, ask: Callable[[Pipeline, str], object], names: Iterable[str]) -> dict[str, Any]:
        """Ask the same of many, some hundred in one round trip."""
        wanted = list(dict.fromkeys(names))
        answers: dict[str, Any] = {}
        for begin in range(0, len(wanted), _AT_ONCE):
            some = wanted[begin : begin + _AT_ONCE]
            answers.update(zip(some, self._each_of_some(ask, some), strict=True))
        return answers

    def _each_of_some(self, ask: Callable[[Pipeline, str], object], some: list[str]) -> list[Any]:
        return self._look(lambda pipe: [ask(pipe, name) for name in some])

    def _hashes(self, kind: str, ids: Iterable[str]) -> dict[str, Fields]:
        found = self._each(lambda pipe, one: pipe.hgetall(f"{PREFIX}{kind}{one}"), ids)
        return {one: _NO_JOB if fields is None else fields for one, fields in found.items() if fields != {}}

    def _tasks(self, ids: Iterable[str]) -> dict[str, Fields]:
        """Read records without the messages in them."""
        found = self._each(lambda pipe, one: pipe.hmget(f"{PREFIX}t:{one}", *TASK_FIELDS), ids)
        return {
            one: _NO_TASK
            if values is None
            else {name: value for name, value in zip(TASK_FIELDS, values, strict=True) if value is not None}
            for one, values in found.items()
        }

    def _tasks_of(self, jobs: list[str]) -> dict[str, tuple[str, Fields]]:
        """Find the task that each job is at."""
        members = self._each(lambda pipe, job: pipe.smembers(f"{PREFIX}job:{job}:members"), jobs)
        tasks = self._tasks(one for ids in members.values() for one in ids or ())
        at = {job: current_task({one: tasks[one] for one in ids or ()}) for job, ids in members.items()}
        found = {job: (one, tasks[one]) for job, one in at.items() if one is not None}
        return found | {job: ("", _NO_TASK) for job, ids in members.items() if ids is None}

    def _lines(self, names: Iterable[str]) -> dict[str, _Line]:
        found = self._each(lambda pipe, name: pipe.zrange(f"{PREFIX}lock:{name}", 0, -1, withscores=True), names)
        return {
            name: _Line(
                tuple(str(one) for one, score in places or () if score == 0),
                tuple(str(one) for one, score in places or () if score != 0),
            )
            for name, places in found.items()
        }

    def _named(self, task_ids: Iterable[str]) -> tuple[dict[str, Fields], dict[str, Fields]]:
        """Read tasks and their jobs, to name them by."""
        tasks = self._tasks(task_ids)
        return tasks, self._hashes("job:", (task.get("job", one) for one, task in tasks.items()))

    def _waits(self, parked: Mapping[str, tuple[str, Fields]]) -> dict[str, Wait]:
        """Find what the parked task of each job waits for."""
        on = {job: waits_on(task) for job, (_, task) in parked.items()}
        lines = self._lines(name for kind, name in on.values() if kind is WaitsFor.LOCK)
        places = {name: line.places for name, line in lines.items()}
        others = (one for line in lines.values() for one in (*line.owners, *line.queue[:_SHOWN]))
        tasks, jobs = self._named((*others, *(name for kind, name in on.values() if kind is WaitsFor.JOB)))
        due = self._each(lambda pipe, one: pipe.zscore(f"{PREFIX}due", one), (one for one, _ in parked.values()))
        last = self._each(lambda pipe, job: pipe.xrevrange(f"{PREFIX}job:{job}:log", count=_LAST_LINES), parked)

        def wait(job: str) -> Wait:
            (kind, name), own_id = on[job], parked[job][0]
            line = lines.get(name, _Line((), ())) if kind is WaitsFor.LOCK else _Line((), ())
            owners = (name,) if kind is WaitsFor.JOB else line.owners
            ahead = places.get(name, {}).get(own_id, 0)
            return Wait(
                kind,
                name,
                _last_words(kind, last[job] or []),
                due[own_id],
                tuple(reference(one, tasks, jobs) for one in owners),
                tuple(reference(one, tasks, jobs) for one in line.queue[: min(ahead, _SHOWN)]),
                ahead,
            )

        return {job: wait(job) for job in parked}

    def _untaken(self, queued: Mapping[str, str]) -> dict[str, Wait]:
        """Find the jobs in queues from which no worker takes; others wait for a free one at most."""
        workers = self.takers() if queued else {}
        return {
            job: Wait(WaitsFor.WORKER, queue, f"a worker that takes from {queue}; none does")
            for job, queue in queued.items()
            if workers.get(queue) == 0
        }


def _step(value: str) -> Step | None:
    try:
        step = Step.model_validate(json.loads(value))
    except (ValueError, RecursionError):
        return None
    # Others may have written any number there: what takes less than no time, or is in no year, cannot be drawn.
    return step if 0 <= step.started <= _LAST_TIME and 0 <= step.seconds <= _LAST_TIME else None


def _last_words(kind: WaitsFor, lines: list[tuple[str, Fields]]) -> str:
    """Find what the worker said when it parked the task; nothing if it died instead."""
    said = [fields for _, fields in lines if fields.get("kind") in {"retrying", "waiting"}]
    expected = "retrying" if kind is WaitsFor.RETRY else "waiting"
    return said[0].get("detail", "") if said and said[0]["kind"] == expected else ""
