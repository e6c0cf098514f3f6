"""What a person sees of jobs: live lines on a terminal, timestamped lines elsewhere, and how each job ended."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import typer

from phoenix_producer.cli.harmless import harmless
from phoenix_producer.contract import EnsureResult, Failure, Outcome, Progress, ProgressKind
from phoenix_producer.ctids import parse_ctid
from phoenix_producer.plain_text import plain, plain_block

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from phoenix_producer.client.handle import Handle
    from phoenix_producer.contract import Step
    from phoenix_producer.plans import Plan

_UPID_PARTS = 9
_CANCELLED = "cancelled"
_SHOWN_IN_TENTHS = 0.1
"""Seconds; shorter ones need more digits not to read as none."""
_RECORDED = "record (the marker in the notes, and nothing else)"
"""As in a plan: the container is as declared, and its marker in the notes is brought up to date."""
_WORDS = {
    ProgressKind.REQUESTED: "requested",
    ProgressKind.STEP_STARTED: "started",
    ProgressKind.WAITING: "waits for",
    ProgressKind.REMOTE_TASK: "Proxmox task",
    ProgressKind.OUTPUT: "output:",
    ProgressKind.RETRYING: "tries again:",
    ProgressKind.STEP_DONE: "done",
}
_NEVER_REDRAW = ("dumb", "unknown")
"""Values of `TERM`."""
ENDS = {
    ProgressKind.DONE: ("done", "green"),
    ProgressKind.FAILED: ("failed", "bold red"),
    ProgressKind.CANCELLED: ("cancelled", "yellow"),
}


def complain(text: object) -> None:
    """Print an error or a warning to stderr."""
    typer.echo(plain(str(text)), err=True)


class Display(AbstractContextManager[Any], Protocol):
    """Shows what happens to jobs."""

    def show(self, progress: Progress) -> None:
        """Take in one event."""

    def tell(self, text: str) -> None:
        """Print a warning to stderr."""


class Nothing(AbstractContextManager["Nothing"]):
    """For output that programs read."""

    def __exit__(self, *_: object) -> None: ...

    def show(self, progress: Progress) -> None:
        """Show nothing."""

    def tell(self, text: str) -> None:
        """Print it."""
        complain(text)


class Lines(AbstractContextManager["Lines"]):
    """One line for each event, with the time of day and the seconds since its job began: for logs and pipes."""

    def __init__(self, jobs: Sequence[Handle[Any]]) -> None:
        self._ctids = {job.id: job.ctid for job in jobs}
        self._began: dict[str, float] = {}

    def __exit__(self, *_: object) -> None: ...

    def show(self, progress: Progress) -> None:
        """Print one line."""
        subject = self._ctids[progress.job]
        elapsed = progress.at - self._began.setdefault(progress.job, progress.at)
        event = f"{_beginning(subject)}{plain_block(told(progress, subject))}"
        typer.echo(f"{time_of_day(progress.at)} {elapsed:6.1f} s  {event}")

    def tell(self, text: str) -> None:
        """Print it."""
        complain(text)


@harmless
def outcome_lines(answer: EnsureResult | Failure) -> Iterator[str]:
    """Write how a job ended, with its remedy if it failed."""
    if isinstance(answer, Failure):
        how = "cancelled" if answer.cause == _CANCELLED else "failed"
        yield f"{_beginning(answer.ctid)}{how}: {answer.message}"
        yield f"     {answer.remedy}"
        return
    where = f"from {answer.moved_from} to {answer.node}" if answer.moved_from else f"on {answer.node}"
    yield f"{answer.ctid}  {_outcome(answer)} {where}{_took(answer)}"
    if answer.made_by is not None:
        yield f"     made by job {answer.made_by}, which asked for it before this one looked"
    if answer.placed and not answer.dry_run:
        yield f"     placed on {answer.placed}"
    yield from (f"     would {line}" for line in answer.plan)
    yield from (f"     {change.words}" for change in answer.changes)
    if _only_recorded(answer):
        yield f"     {_RECORDED}"
    yield from (f"     {word}" for step in answer.steps if (word := _power(answer, step)))
    yield from (f"     template {ctid} was built" for ctid in answer.templates_built)
    yield from (f"     {one.interface} {one.address}/{one.prefix}" for one in answer.addresses)
    yield from (f"     takes effect at the next start: {key}" for key in answer.pending_restart)
    yield from not_applied_lines(answer)


def _beginning(ctid: int | None) -> str:
    """Begin a line about a CTID; one about a request that names none, such as `status`, begins with what happened."""
    return "" if ctid is None else f"{ctid}  "


def _only_recorded(answer: EnsureResult) -> bool:
    """Return whether the configuration step of a container that stood there wrote nothing but our own bookkeeping."""
    configured = any((step.name, step.ctid) == ("configure", answer.ctid) for step in answer.steps)
    return answer.outcome is Outcome.UPDATED and configured and not answer.changes


def _power(answer: EnsureResult, step: Step) -> str | None:
    """Say that an existing container was started or stopped; a new one always is."""
    if answer.outcome is not Outcome.UPDATED or step.ctid != answer.ctid:
        return None
    return {"start": "started", "stop": "stopped"}.get(step.name)


@harmless
def not_applied_lines(answer: EnsureResult | Plan) -> Iterator[str]:
    """Write what is declared and has no effect, of the CTID and of the templates built for it."""
    yield from (f"     not applied: {line}" for line in answer.not_applied)
    for ctid, lines in answer.templates_not_applied.items():
        yield from (f"     not applied to template {ctid}: {line}" for line in lines)


@harmless
def warnings_in(answers: Iterable[Any]) -> Iterator[str]:
    """Write the warnings in answers: each once, whatever the number of answers that have it.

    Plans and drift have shown among their own lines what needs a rebuild.
    """
    warnings = dict.fromkeys(line for answer in answers for line in (*_left_alone(answer), *answer.warnings))
    yield from (f"Warning: {warning}" for warning in warnings)


def _left_alone(answer: Any) -> tuple[str, ...]:
    return answer.needs_rebuild if isinstance(answer, EnsureResult) else ()


def _outcome(result: EnsureResult) -> str:
    """Name it; of a dry run so that nobody takes it for done."""
    if not result.dry_run:
        return result.outcome
    return "would stay unchanged" if result.outcome is Outcome.UNCHANGED else f"would be {result.outcome}"


def _took(result: EnsureResult) -> str:
    if not result.steps or result.dry_run:
        return ""
    seconds = max(step.started + step.seconds for step in result.steps) - min(step.started for step in result.steps)
    text = f"{seconds:.1f}" if seconds >= _SHOWN_IN_TENTHS else f"{seconds:.2f}"
    return f" in {text} s" if float(text) else ""


def told(progress: Progress, subject: int | None) -> str:
    """Say in one line what happened to the job of a CTID."""
    return " ".join(filter(None, (step_of(progress, subject), *event_of(progress))))


def time_of_day(at: float) -> str:
    """Write a time, in seconds since the epoch, as the clock on the wall shows it; with the date if it is another.

    One that is in no year of the calendar, as others may have written it, is a question mark.
    """
    try:
        then = datetime.fromtimestamp(at).astimezone()
    except (ValueError, OverflowError, OSError):
        return "?"
    now = datetime.now().astimezone()  # noqa: TID251 - the reader's own day
    return then.strftime("%H:%M:%S" if then.date() == now.date() else "%Y-%m-%d %H:%M:%S")


def step_of(progress: Progress, subject: int | None) -> str:
    """Name the step, with the CTID that it works on if that is another one: a template that is built on the way."""
    if progress.kind is ProgressKind.REQUESTED or progress.kind in ENDS:
        return ""
    name = progress.step.removeprefix("phoenix.")
    return name if progress.ctid in (subject, None) else f"{name} {progress.ctid}"


def event_of(progress: Progress) -> tuple[str, str]:
    """Say what happened, and the details."""
    if progress.kind in ENDS:
        return ENDS[progress.kind][0], ""
    detail = _brief(progress.upid) if progress.upid else progress.detail
    if progress.kind is ProgressKind.WAITING and not progress.upid:
        detail = turn_at(detail, progress.ctid)
    return _WORDS[progress.kind], "" if progress.kind is ProgressKind.REQUESTED else detail


def terminal_width() -> int | None:
    """Return how many columns the terminal has that stdout is; None if it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def redraws(stream: TextIO) -> bool:
    """Return whether lines there can be drawn again. `FORCE_COLOR`, which CI sets, makes no terminal of a pipe."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in _NEVER_REDRAW


def turn_at(lock: str, ctid: int | None = None) -> str:
    """Say what a job waits for that waits for a lock, in the step of a CTID. What is no lock's name stays as it is."""
    kind, _, name = lock.partition("/")
    if kind == "ct" and (named := parse_ctid(name)) is not None:
        return f"its turn at {'CT' if ctid in (None, named) else 'template'} {name}"
    return f"a free place on node {name}" if kind == "node" and name else lock


def _brief(upid: str) -> str:
    """Shorten to what people recognize of a `UPID:node:pid:pstart:starttime:type:id:user:`."""
    parts = upid.split(":")
    return f"{parts[5]} {parts[6]}".strip() if len(parts) == _UPID_PARTS else upid
