"""What a command says and does when no worker answers: say so at once, and where nobody looks on, end after a while."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, TypeVar

from phoenix_producer.cli.command_line import command_beside
from phoenix_producer.cli.terminal import complain
from phoenix_producer.client.channel import Unreachable
from phoenix_producer.client.link import Link
from phoenix_producer.ledger.view import LedgerView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import typer

NOBODY_TOOK_IT = "No worker answers. Is one running? `phoenix-lxc worker` starts one."
LOOK_SECONDS = 30.0
"""Without a terminal, it is looked so often whether a worker lives; when none does twice in a row, the command ends."""
_ENDS = "Without one, this command ends with exit code 1 after {seconds:g} s; what it asked for waits in Redis."
_AT_WORK = "No answer yet. Workers are running: they may be busy with others, or Proxmox may not be answering. See:"
_PATIENCE_SECONDS = 4.0

_Answer = TypeVar("_Answer")


def somebody_works(context: typer.Context) -> bool:
    """Return True if a worker lives. Raises Unreachable."""
    link = Link(context.obj())
    try:
        return LedgerView(link.look).anybody_works()
    finally:
        link.close()


def waited(context: typer.Context, wait: Callable[[float | None], _Answer], timeout: float | None) -> _Answer:
    """Return what `wait` returns, for as long as it takes.

    Raises TimeoutError when the time is over; if none is set and nobody looks on, when no worker lives any more.
    """
    if timeout is not None or _somebody_looks_on():
        return wait(timeout)
    looks_alone = 0
    while True:
        try:
            return wait(LOOK_SECONDS)
        except TimeoutError:
            looks_alone = 0 if somebody_works(context) else looks_alone + 1
            if looks_alone == 2:  # noqa: PLR2004 - a worker that is being replaced is away for one
                raise


@contextmanager
def late_notice(
    context: typer.Context,
    tell: Callable[[str], None] = complain,
    *,
    nobody: str = NOBODY_TOOK_IT,
    timeout: float | None = None,
) -> Iterator[Callable[[], None]]:
    """Say at once if no worker lives (`nobody`), and later if one lives and does not answer.

    The block is given what says that there was an answer. It is not held up by this.
    """
    answered = Event()

    def look() -> None:
        try:
            if not somebody_works(context):
                alone = timeout is None and not _somebody_looks_on()
                tell(f"{nobody} {_ENDS.format(seconds=2 * LOOK_SECONDS)}" if alone else nobody)
            elif not answered.wait(_PATIENCE_SECONDS):
                tell(_why_late(context))
        except Unreachable:
            return  # told by the command itself

    Thread(target=look, daemon=True).start()
    try:
        yield answered.set
    finally:
        answered.set()


def _why_late(context: typer.Context) -> str:
    working = somebody_works(context)
    return f"{_AT_WORK} {command_beside(context, 'jobs')}" if working else NOBODY_TOOK_IT


def _somebody_looks_on() -> bool:
    return sys.stdout.isatty()
