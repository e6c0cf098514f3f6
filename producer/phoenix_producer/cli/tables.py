"""Jobs, locks and what stands at CTIDs, as lines of text. Pure.

`width` is that of the terminal that shows them, in columns; without it a line is as long as it gets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from phoenix_producer.cli.harmless import harmless
from phoenix_producer.cli.terminal import time_of_day, told, turn_at
from phoenix_producer.contract import DesiredState
from phoenix_producer.ledger.entries import WaitsFor
from phoenix_producer.nodes import NodeState
from phoenix_producer.plain_text import plain_line
from phoenix_producer.standing import Exists

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from phoenix_producer.contract import Progress, Step
    from phoenix_producer.ledger.entries import Job, Lock, Reference
    from phoenix_producer.nodes import Node
    from phoenix_producer.standing import Standing

_SHORT = 8
_GIB = 1 << 30
_WIDEST = 200
"""Columns that a cell is padded to at most: one hostile name makes no megabyte of each line."""
_NAMED = 5


def short_ids(ids: Iterable[str]) -> dict[str, str]:
    """Shorten ids to the beginnings that tell them apart."""
    ordered = sorted(set(ids))
    length = _SHORT
    while len({one[:length] for one in ordered}) < len(ordered):
        length += 1
    return {one: one[:length] for one in ordered}


def job_lines(jobs: Sequence[Job], width: int | None = None) -> Iterator[str]:
    """List jobs, one line for each."""
    short = short_ids(job.id for job in jobs)
    ended = any(job.ended for job in jobs)
    rows = [
        (
            short[job.id],
            job.what,
            job.state,
            *((job.outcome or job.cause, _took(job)) if ended else ()),
            job.step.removeprefix(job.what),
            time_of_day(job.ended or job.since or job.created),
            job.requester,
            wait_words(job),
        )
        for job in jobs
    ]
    ends = ("OUTCOME", "TOOK") if ended else ()
    yield from _columns(("JOB", "WHAT", "STATE", *ends, "STEP", "SINCE", "REQUESTER", "WAITS FOR"), rows, width)


def _took(job: Job) -> str:
    return "" if job.ended is None else f"{job.ended - job.created:.1f} s"


def wait_words(job: Job) -> str:
    """Say what a job waits for; '' if for nothing."""
    if (wait := job.waits_for) is None:
        return ""
    until = f" at {time_of_day(wait.until)}" if wait.until is not None else ""
    if wait.kind is WaitsFor.LOCK:
        turn = f"{wait.ahead} before it" if wait.ahead else "next"
        return f"{turn_at(wait.what, job.ctid)} ({turn}): held by {_names(wait.owners)}"
    if wait.kind is WaitsFor.PROXMOX:
        return " ".join(filter(None, (wait.detail, wait.what)))
    if wait.kind is WaitsFor.JOB:
        return f"{wait.detail} ({_names(wait.owners)}, job {wait.what[:_SHORT]})"
    if wait.kind is WaitsFor.RETRY:
        return f"tries again{until}: {wait.detail or 'the worker that ran it died'}"
    return f"resumes{until}" if wait.kind is WaitsFor.TIME else wait.detail


@harmless
def story_lines(job: Job, history: Sequence[Progress], steps: Sequence[Step]) -> Iterator[str]:
    """Write what happened to one job."""
    yield f"{job.what}  {job.id}"
    yield f"     requested {time_of_day(job.created)}" + (f" by {job.requester}" if job.requester else "")
    when = f"at {time_of_day(job.ended)}" if job.ended else f"since {time_of_day(job.since or job.created)}"
    yield f"     {job.state} {when}"
    if job.waits_for:
        yield f"     {job.step} waits for: {wait_words(job)}"
    subject = history[0].ctid if history else None
    for progress in history:
        yield f"{progress.at - job.created:+10.3f} s  {told(progress, subject)}"
    for step in steps:
        yield f"     {step.name} {step.ctid} took {step.seconds:.3f} s" + (f"  {step.upid}" if step.upid else "")


def lock_lines(locks: Sequence[Lock], width: int | None = None) -> Iterator[str]:
    """List locks: how many hold each, who, and who is next."""
    rows = [
        (lock.name, f"{len(lock.owners)} of {lock.capacity}", _held(lock.owners), _held(lock.queue)) for lock in locks
    ]
    yield from _columns(("LOCK", "TAKEN", "OWNERS", "QUEUE"), rows, width)


def standing_lines(standings: Sequence[Standing], width: int | None = None) -> Iterator[str]:
    """List what stands at CTIDs. Addresses have a column when there are any."""
    reachable = any(one.addresses for one in standings)
    rows = [
        (
            str(one.ctid),
            one.name,
            one.role if one.role == Exists.TEMPLATE else f"{one.role}, {one.state}",
            one.node,
            *((_addresses(one),) if reachable else ()),
            _present(one),
            "; ".join(filter(None, _remarks(one))),
        )
        for one in standings
    ]
    addresses = ("ADDRESSES",) if reachable else ()
    yield from _columns(("CTID", "NAME", "DECLARED", "NODE", *addresses, "EXISTS", ""), rows, width)


def _addresses(one: Standing) -> str:
    return ", ".join(f"{at.address}/{at.prefix}" for at in one.addresses)


def _present(one: Standing) -> str:
    if one.exists is Exists.CONTAINER:
        return f"container, {DesiredState.RUNNING if one.running else DesiredState.STOPPED}"
    return f"{one.exists}, running" if one.running else str(one.exists)


def _remarks(one: Standing) -> Iterator[str]:
    yield _difference(one)
    yield one.elsewhere.removesuffix(".")
    yield f"takes effect at the next start: {', '.join(one.pending_restart)}" if one.pending_restart else ""
    yield from one.outdated
    yield f"locked: {one.lock}" if one.lock else ""
    yield one.problem


def _difference(one: Standing) -> str:
    return f"differs: {', '.join(one.differs)}" if one.differs else ""


def node_lines(nodes: Sequence[Node], width: int | None = None) -> Iterator[str]:
    """List nodes: state, room, what is reserved and under way, templates."""
    rows = [
        (
            one.name,
            f"{one.state}{_drained(one)}",
            "" if one.cpus is None or one.cpu_used is None else f"{one.cpu_used:.0%} of {one.cpus}",
            "" if one.memory is None or one.memory_free is None else f"{_gib(one.memory_free)} of {_gib(one.memory)}",
            f"{_gib(one.reserved_memory)} for {_some(one.reserved)}" if one.reserved else "",
            f"{one.in_flight} of {one.places}{f', {one.waiting} waiting' if one.waiting else ''}",
            _some(one.templates),
        )
        for one in nodes
    ]
    yield from _columns(("NODE", "STATE", "CPU", "MEMORY FREE", "RESERVED", "IN FLIGHT", "TEMPLATES"), rows, width)


def _some(ctids: Sequence[int]) -> str:
    """Name the first few: a node may have hundreds, and its line is read on a terminal. JSON has them all."""
    if len(ctids) <= _NAMED + 1:
        return ", ".join(map(str, ctids))
    return f"{', '.join(map(str, ctids[:_NAMED]))} and {len(ctids) - _NAMED} others"


def _drained(one: Node) -> str:
    """Say since when a node is drained, and by whom; of one that is in another state, that it is."""
    if one.drained_at is None:
        return ""
    also = "" if one.state is NodeState.DRAINED else ", drained"
    return f"{also} since {time_of_day(one.drained_at)}{f' by {one.drained_by}' if one.drained_by else ''}"


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"


def _held(references: Sequence[Reference]) -> str:
    return ", ".join(f"{one.what} ({one.job[:_SHORT]})".lstrip() for one in references)


def _names(references: Sequence[Reference]) -> str:
    return ", ".join(one.what or one.job[:_SHORT] for one in references) or "nobody"


def _columns(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], width: int | None) -> Iterator[str]:
    """Align the columns. The last ones go below each line, where all of them are wider than the terminal."""
    shown = [head, *(tuple(map(plain_line, row)) for row in rows)]
    widths = [max(map(_cells, column)) for column in zip(*shown, strict=True)]
    beside = len(head)
    while width is not None and beside > 1 and sum(widths[:beside]) + 2 * (beside - 1) > width:
        beside -= 1
    indent = " " * min(widths[0] + 2, widths[0] + 2 if width is None else max(width // 4, 1))
    widths = [min(size, _WIDEST) for size in widths]
    for row in shown:
        yield "  ".join(map(_padded, row[:beside], widths)).rstrip()
        below = zip(head[beside:], row[beside:], strict=True) if row is not head else ()
        words = "; ".join(f"{name.lower()} {cell}".strip() for name, cell in below if cell)
        yield from _folded(words, indent, width or 0)


def _cells(text: str) -> int:
    """Return how many columns of a terminal a text takes: ideographs take two, and what joins others none."""
    return len(text) if text.isascii() else cell_len(text)


def _padded(text: str, size: int) -> str:
    return text.ljust(size) if text.isascii() else text + " " * (size - _cells(text))


def _folded(words: str, indent: str, width: int) -> Iterator[str]:
    """Break between words, so that each line fits; a longer word is broken by the terminal, and copied whole."""
    line = ""
    for word in words.split():
        longer = f"{line} {word}" if line else f"{indent}{word}"
        if line and _cells(longer) > width:
            yield line
            longer = f"{indent}{word}"
        line = longer
    if line:
        yield line
