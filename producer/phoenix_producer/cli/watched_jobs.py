"""`phoenix-lxc jobs --watch`: the open jobs, kept up to date, each with what is done on its behalf below it.

Those that end meanwhile stay, and become a count where there is no room for them. A Redis that restarts ends no watch.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live

from phoenix_producer.cli.live_screen import JobLine, Rank, cell, folded, screen_of
from phoenix_producer.cli.tables import short_ids, wait_words
from phoenix_producer.cli.terminal import time_of_day, turn_at
from phoenix_producer.client.channel import LoginRefused, NoSuchDatabase, Unreachable
from phoenix_producer.ledger.entries import Job, JobState, WaitsFor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console, ConsoleDimensions, RenderableType
    from rich.text import Text

_LOOK_SECONDS = 1.0
_KEPT = 1000
_RANKS = {JobState.FAILED: Rank.FAILED, JobState.CANCELLED: Rank.FAILED, JobState.DONE: Rank.DONE}


def watch(look: Callable[[], Sequence[Job]], ended: Callable[[str], Job | None], console: Console) -> None:
    """Show them until Ctrl-C. `ended` finds one that has ended, if it shall stay.

    Where a Redis that was looked at is away, what it had stays, with the reason below, until it is back. Raises what
    `look` and `ended` do: Unreachable if the first look fails, LoginRefused and NoSuchDatabase at any.
    """
    watched = Watched(ended)
    lines: list[JobLine] | None = None
    with Live(console=console, auto_refresh=False, screen=False) as live:
        while True:
            away = ""
            try:
                lines = watched_lines(watched.with_ended(look()))
            except (LoginRefused, NoSuchDatabase):
                raise
            except Unreachable as error:
                if lines is None:
                    raise
                away = f"{time_of_day(time.time())}  {error}"  # noqa: TID251 - the reader's own time
            live.update(_screen(lines, away, console.size), refresh=True)
            time.sleep(_LOOK_SECONDS)


def _screen(lines: Sequence[JobLine], away: str, size: ConsoleDimensions) -> RenderableType:
    """Draw the jobs of the last look, and below them why it could not be repeated."""
    why = folded(away, size.width)[: size.height - 1]
    if lines:
        return Group(screen_of(lines, size.height - 1 - len(why), size.width), *why)
    now = time_of_day(time.time())  # noqa: TID251 - the reader's own time
    return Group(*why) if why else cell(f"There are no open jobs. {now}")


class Watched:
    """Remembers the jobs that were open, so that their ends are seen; the newest thousand of those that have ended."""

    def __init__(self, ended: Callable[[str], Job | None]) -> None:
        self._find = ended
        self._seen: set[str] = set()
        """In the latest look: open, or ended since the ids of open jobs were read."""
        self._for_others: set[str] = set()
        self._ended: dict[str, Job] = {}

    def with_ended(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the jobs of a look, and those that were in an earlier one and have ended since.

        What was done on behalf of another job was a line of that one, and goes with it.
        """
        by_id = {job.id: job for job in jobs}
        self._for_others |= {other.id for job in jobs if (other := _made_for(job, by_id)) is not None}
        for gone in sorted(self._seen - by_id.keys() - self._for_others):
            if (job := self._find(gone)) is not None:
                self._ended[gone] = job
        self._seen = {*by_id}
        self._ended = dict([*self._ended.items()][-_KEPT:])
        return [*jobs, *(job for job in self._ended.values() if job.id not in by_id)]


def watched_lines(jobs: Sequence[Job]) -> list[JobLine]:
    """Return a line for each job; those that others wait for and nobody requested stand below the first of these."""
    short = short_ids(job.id for job in jobs)
    by_id = {job.id: job for job in jobs}
    made_for: dict[str, list[Job]] = {}
    placed: set[str] = set()
    for job in jobs:
        other = _made_for(job, by_id)
        if other is not None and other.id not in placed:
            placed.add(other.id)
            made_for.setdefault(job.id, []).append(other)
    return [_line(job, made_for, short) for job in jobs if job.id not in placed]


def _made_for(job: Job, by_id: Mapping[str, Job]) -> Job | None:
    """Return the job that was begun because this one needs what it makes."""
    wait = job.waits_for
    other = by_id.get(wait.what) if wait is not None and wait.kind is WaitsFor.JOB else None
    return None if other is None or other.requester or other is job else other


def _line(job: Job, made_for: Mapping[str, Sequence[Job]], short: Mapping[str, str]) -> JobLine:
    own, *below = _rows(job, made_for, short, 0)
    return JobLine(_RANKS.get(job.state, Rank.ACTIVE), own, tuple(below), _reason(job), job.state is JobState.QUEUED)


def _rows(
    job: Job, made_for: Mapping[str, Sequence[Job]], short: Mapping[str, str], depth: int
) -> list[tuple[Text, ...]]:
    name = f"{'  ' * (depth - 1)}└ {short[job.id]}" if depth else short[job.id]
    at = (cell(str(job.state)), cell(_step(job)), cell(time_of_day(job.ended or job.since or job.created)))
    why = cell(wait_words(job) or job.outcome or job.cause, "dim")
    below = [row for child in made_for.get(job.id, ()) for row in _rows(child, made_for, short, depth + 1)]
    if (built := _built(job)) is not None:
        built_below = (cell(f"{'  ' * depth}└"), cell(job.step), at[0], cell(""), at[2], why)
        return [(cell(name), cell(job.what, "bold"), cell(f"builds {built}")), built_below, *below]
    return [(cell(name), cell(job.what, "bold"), *at, why), *below]


def _built(job: Job) -> int | None:
    """Return the CTID that an ensure is at, if it is another one: a template that is built for it."""
    ensures, _, subject = job.what.rpartition(" ")
    return job.ctid if ensures == "ensure" and str(job.ctid) != subject else None


def _step(job: Job) -> str:
    name, _, subject = job.step.removeprefix(job.what).rpartition(" ")
    return name if subject == job.what.rpartition(" ")[2] else f"{name} {subject}".strip()


def _reason(job: Job) -> str:
    """Say what it waits for that others have; '' if Proxmox or time brings it."""
    wait = job.waits_for
    if wait is None:
        return ""
    if wait.kind is WaitsFor.LOCK:
        return turn_at(wait.what, job.ctid).removeprefix("its turn at ")
    others = {WaitsFor.JOB: wait.detail.partition(",")[0] or "another job", WaitsFor.RETRY: "a retry"}
    return (others | {WaitsFor.WORKER: f"a worker of {wait.what}"}).get(wait.kind, "")
