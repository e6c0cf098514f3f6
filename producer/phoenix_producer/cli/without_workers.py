"""What a command says and does when no worker works on its jobs: say so at once, and where nobody looks on, end."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, TypeVar

from phoenix_producer.cli.command_line import command_beside
from phoenix_producer.cli.terminal import complain
from phoenix_producer.client.channel import Unreachable
from phoenix_producer.client.link import Link
from phoenix_producer.ledger.standstill import NO_WORKER, standstill
from phoenix_producer.ledger.view import LedgerView

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    import typer

    from phoenix_producer.client.handle import Handle

LOOK_SECONDS = 30.0
"""Without a terminal, it is looked so often whether workers may work on a job; when not, twice in a row, it ends."""
_ENDS = "Unless that changes, this command ends with exit code 1 after {seconds:g} s; what it asked for waits in Redis."
_AT_WORK = "No answer yet. Workers are running: they may be busy with others, or Proxmox may not be answering. See:"
_PATIENCE_SECONDS = 4.0

_Answer = TypeVar("_Answer")


class NotAnsweredError(TimeoutError):
    """There is no answer in time; `jobs` are the ids of what was asked for."""

    def __init__(self, late: TimeoutError, jobs: Collection[str]) -> None:
        super().__init__(str(late))
        self.jobs = jobs


def why_nobody_works(context: typer.Context, jobs: Collection[str], *, no_worker: str = NO_WORKER) -> str:
    """Say why no worker works on some of these jobs; '' if workers do, or may. Raises Unreachable."""
    link = Link(context.obj())
    try:
        return standstill(LedgerView(link.look), jobs, no_worker=no_worker)
    finally:
        link.close()


def awaited(
    context: typer.Context, handle: Handle[_Answer], timeout: float | None, *, no_worker: str = NO_WORKER
) -> _Answer:
    """Wait for the answer of one request, as `waited`, and say meanwhile why there is none, as `late_notice`."""
    with late_notice(context, [handle.id], no_worker=no_worker, timeout=timeout):
        return waited(context, [handle.id], handle.wait, timeout)


def waited(
    context: typer.Context,
    jobs: Collection[str],
    wait: Callable[[float | None], _Answer],
    timeout: float | None,
) -> _Answer:
    """Return what `wait` returns, for as long as it takes.

    Raises NotAnsweredError when the time is over; if none is set and nobody looks on, when no worker works on the jobs.
    """
    try:
        if timeout is not None or _somebody_looks_on():
            return wait(timeout)
        return _waited_alone(context, jobs, wait)
    except TimeoutError as late:
        raise NotAnsweredError(late, jobs) from late


def _waited_alone(context: typer.Context, jobs: Collection[str], wait: Callable[[float | None], _Answer]) -> _Answer:
    looks_in_vain = 0
    while True:
        try:
            return wait(LOOK_SECONDS)
        except TimeoutError:
            looks_in_vain = looks_in_vain + 1 if why_nobody_works(context, jobs) else 0
            if looks_in_vain == 2:  # noqa: PLR2004 - a worker that is being replaced is away for one
                raise


@contextmanager
def late_notice(
    context: typer.Context,
    jobs: Collection[str],
    tell: Callable[[str], None] = complain,
    *,
    no_worker: str = NO_WORKER,
    timeout: float | None = None,
) -> Iterator[Callable[[], None]]:
    """Say at once if no worker may work on the jobs (`no_worker` if none lives), and later if there is no answer.

    The block is given what says that there was an answer. It is not held up by this.
    """
    answered = Event()

    def look() -> None:
        try:
            if why := why_nobody_works(context, jobs, no_worker=no_worker):
                alone = timeout is None and not _somebody_looks_on()
                tell(f"{why} {_ENDS.format(seconds=2 * LOOK_SECONDS)}" if alone else why)
            elif not answered.wait(_PATIENCE_SECONDS):
                tell(why_nobody_works(context, jobs) or f"{_AT_WORK} {command_beside(context, 'jobs')}")
        except Unreachable:
            return  # told by the command itself

    Thread(target=look, daemon=True).start()
    try:
        yield answered.set
    finally:
        answered.set()


def _somebody_looks_on() -> bool:
    return sys.stdout.isatty()
