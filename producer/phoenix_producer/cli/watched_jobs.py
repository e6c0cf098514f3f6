"""`phoenix-lxc jobs --watch`: the open jobs, kept up to date, each with what is done on its behalf below it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.live import Live

from phoenix_producer.cli.live_screen import JobLine, Rank, cell, screen_of
from phoenix_producer.cli.tables import short_ids, wait_words
from phoenix_producer.cli.terminal import time_of_day, turn_at
from phoenix_producer.ledger.entries import Job, JobState, WaitsFor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console
    from rich.text import Text

_LOOK_SECONDS = 1.0
_RANKS = {JobState.FAILED: Rank.FAILED, JobState.CANCELLED: Rank.FAILED, JobState.DONE: Rank.DONE}


def watch(look: Callable[[], Sequence[Job]], console: Console) -> None:
    """Show them until Ctrl-C. `look` may raise Unreachable."""
    with Live(console=console, auto_refresh=False, screen=False) as live:
        while True:
            lines = watched_lines(look())
            height = console.size.height - 1
            shown = screen_of(lines, height) if lines else cell(f"There are no open jobs. {time_of_day(time.time())}")
            live.update(shown, refresh=True)
            time.sleep(_LOOK_SECONDS)


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
    return JobLine(_RANKS.get(job.state, Rank.ACTIVE), own, tuple(below), _reason(job))


def _rows(
    job: Job, made_for: Mapping[str, Sequence[Job]], short: Mapping[str, str], depth: int
) -> list[tuple[Text, ...]]:
    own = (
        cell(f"{'  ' * (depth - 1)}└ {short[job.id]}" if depth else short[job.id]),
        cell(job.what, "bold"),
        cell(str(job.state)),
        cell(job.step.removeprefix(job.what)),
        cell(time_of_day(job.since or job.created)),
        cell(wait_words(job.waits_for) if job.waits_for else "", "dim"),
    )
    below = made_for.get(job.id, ())
    return [own, *(row for child in below for row in _rows(child, made_for, short, depth + 1))]


def _reason(job: Job) -> str:
    wait = job.waits_for
    if wait is None:
        return ""
    return turn_at(wait.what).removeprefix("its turn at ") if wait.kind is WaitsFor.LOCK else str(wait.kind)
