"""How far a look at many CTIDs is: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from phoenix_producer.cli.terminal import ENDS, complain, redraws
from phoenix_producer.client.channel import Unreachable
from phoenix_producer.client.link import Link
from phoenix_producer.ledger.view import LedgerView
from phoenix_producer.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import typer
    from rich.progress import TaskID

    from phoenix_producer.contract import Progress as OfJob

_WORTH_IT = 20
"""Fewer are looked at before anybody has read a bar."""
_LOOK_SECONDS = 0.3


class LookBar(AbstractContextManager["LookBar"]):
    """Counts on stderr, where it is out of the way of the answer, and is gone when that comes."""

    def __init__(self, total: int = 0) -> None:
        self._total, self._done = total, 0
        self._redraws = redraws(sys.stderr)
        self._console = Console(stderr=True, force_terminal=self._redraws)
        columns = (TextColumn("looked at"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._redraws)
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, progress: OfJob) -> None:
        """Count a job that has ended."""
        if progress.kind in ENDS:
            self.is_at(self._done + 1, self._total)

    def is_at(self, done: int, total: int) -> None:
        """Show so many of all."""
        self._done, self._total = done, total
        if total < _WORTH_IT:
            return
        if self._task is None:
            self._task = self._bar.add_task("", total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done)

    def tell(self, text: str) -> None:
        """Print a warning to stderr, above the bar."""
        if self._task is not None and self._redraws:
            self._console.print(plain(text), markup=False, highlight=False, soft_wrap=True)
        else:
            complain(text)


@contextmanager
def following_look(context: typer.Context, job: str, bar: LookBar, answered: Callable[[], None]) -> Iterator[None]:
    """Keep the bar up to date with one job that looks at many; `answered` hears that it is at work."""
    over = Event()

    def follow() -> None:
        with suppress(Unreachable):  # told by the command itself
            link = Link(context.obj())
            try:
                while not over.wait(_LOOK_SECONDS):
                    if (at := LedgerView(link.look).looked(job)) is not None:
                        answered()
                        bar.is_at(*at)
            finally:
                link.close()

    thread = Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_LOOK_SECONDS)
