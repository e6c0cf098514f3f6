"""What happens to jobs that somebody waits for, kept up to date: for terminals."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.live import Live

from phoenix_producer.cli.live_screen import JobLine, Rank, cell, screen_of
from phoenix_producer.cli.tables import wait_words
from phoenix_producer.cli.terminal import ENDS, Lines, Nothing, complain, event_of, redraws, step_of
from phoenix_producer.client.channel import Unreachable
from phoenix_producer.contract import Progress, ProgressKind
from phoenix_producer.ledger.entries import Job, WaitsFor
from phoenix_producer.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import Group
    from rich.text import Text

    from phoenix_producer.cli.terminal import Display
    from phoenix_producer.client.handle import Handle

_LOOK_SECONDS = 2.0
_TURN = "its turn at "


class OpenJobs:
    """The open jobs as Redis has them, looked at once in two seconds at most."""

    def __init__(self, look: Callable[[], Iterable[Job]]) -> None:
        self._look = look
        self._known: dict[str, Job] = {}
        self._looked = 0.0

    def __call__(self) -> dict[str, Job]:
        """Return them by id; while Redis is away, those that were known."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            with suppress(Unreachable):  # told by the command itself
                self._known = {job.id: job for job in self._look()}
            self._looked = time.monotonic()
        return self._known


@dataclass(slots=True)
class _Row:
    """Where one job is."""

    subject: int | None
    step: str = ""
    event: str = ""
    style: str = ""
    upid: str = ""
    elsewhere: str = ""
    """The step on another CTID that it is at: a template that is built for it."""
    waits: bool = False
    queued: bool = True
    rank: Rank = Rank.ACTIVE
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None

    def take(self, progress: Progress) -> None:
        what, detail = event_of(progress)
        self.waits = progress.kind is ProgressKind.WAITING
        self.queued = progress.kind is ProgressKind.REQUESTED
        if progress.kind in ENDS:
            self.step, self.event, self.style, self.upid = what, "", ENDS[progress.kind][1], ""
            self.rank = Rank.DONE if progress.kind is ProgressKind.DONE else Rank.FAILED
            self.elsewhere, self.ended = "", time.monotonic()
            return
        step = step_of(progress, self.subject)
        self.step = step or what
        self.elsewhere = self.step if progress.ctid not in (self.subject, None) else ""
        self.event = f"{what} {detail.splitlines()[-1] if detail else ''}".strip() if step else ""
        if progress.kind is ProgressKind.REMOTE_TASK:
            self.event, self.upid = "", detail
        elif progress.kind is ProgressKind.STEP_DONE:
            self.upid = ""

    def line(self, below: tuple[tuple[Text, ...], ...]) -> JobLine:
        seconds = cell(f"{(self.ended or time.monotonic()) - self.began:.0f} s")
        at = (cell(self.step, self.style), cell(self.upid, "cyan"), cell(self.event, "dim"))
        subject = cell(str(self.subject), "bold")
        if self.elsewhere:
            built = cell(f"builds {self.elsewhere.rpartition(' ')[2]}")
            return JobLine(
                self.rank, (subject, built, cell(""), cell(""), seconds), ((cell("└"), *at),), self._reason()
            )
        return JobLine(self.rank, (subject, *at, seconds), below, self._reason(), self.queued)

    def _reason(self) -> str:
        if not self.waits or self.upid:
            return ""
        return self.event.removeprefix("waits for ").removeprefix(_TURN).partition(",")[0]


class LiveLines(AbstractContextManager["LiveLines"]):
    """One line for each job, and below it one for what is done on its behalf; never more than the screen holds."""

    def __init__(self, jobs: Sequence[Handle[Any]], open_jobs: Callable[[], dict[str, Job]] = dict) -> None:
        self._rows = {job.id: _Row(job.ctid) for job in jobs}
        self._open_jobs = open_jobs
        self._console = Console(force_terminal=True)
        self._live = Live(console=self._console, get_renderable=self.screen)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, progress: Progress) -> None:
        """Change one line."""
        self._rows[progress.job].take(progress)

    def tell(self, text: str) -> None:
        """Print it above the lines, if both are on the terminal: below, it would be glued to the last of them."""
        if redraws(sys.stderr):
            self._console.print(plain(text), markup=False, highlight=False, soft_wrap=True)
        else:
            complain(text)

    def screen(self) -> Group:
        """Draw all as they are now."""
        width, height = self._console.size
        return screen_of(self.lines(), height - 1, width)

    def lines(self) -> list[JobLine]:
        """Return a line for each job, in the order in which they were given."""
        wait = any(row.waits for row in self._rows.values())
        known = self._open_jobs() if wait else {}
        below = {job_id: self._below(job_id, row, known) for job_id, row in self._rows.items()}
        return [row.line(below[job_id]) for job_id, row in self._rows.items()]

    def _below(self, job_id: str, row: _Row, known: dict[str, Job]) -> tuple[tuple[Text, ...], ...]:
        """Show the job that this one waits for, below it the one that that waits for, …; none that has its own line."""
        job = known.get(job_id) if row.waits and not row.upid else None
        if job is None or job.waits_for is None or job.waits_for.detail not in row.event:
            return ()  # it has gone on since the open jobs were looked at
        below: list[tuple[Text, ...]] = []
        shown = set(self._rows)
        while job is not None and job.waits_for is not None and job.waits_for.kind is WaitsFor.JOB:
            job = known.get(job.waits_for.what)
            if job is None or job.id in shown:
                break
            shown.add(job.id)
            where = cell(job.step.removeprefix(job.what))
            below.append(
                (cell(f"{'  ' * len(below)}└"), cell(job.what), where, cell(wait_words(job) or job.state, "dim"))
            )
        return tuple(below)


def display_for(
    jobs: Sequence[Handle[Any]], open_jobs: Callable[[], dict[str, Job]] = dict, *, as_json: bool
) -> Display:
    """Choose by who reads stdout."""
    if as_json:
        return Nothing()
    return LiveLines(jobs, open_jobs) if redraws(sys.stdout) else Lines(jobs)
