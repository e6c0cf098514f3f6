"""The output of the demo: a line for each part, a table of what exists, a timeline."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from phoenix_producer.cli.timeline import timeline
from phoenix_producer.plain_text import plain_block, plain_line
from phoenix_worker.commands.demo.proof import lanes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from phoenix_producer.contract import Step
    from phoenix_worker.commands.demo.proof import Standing

_LEFT_OUT = ("configure",)
"""Too short for a bar."""
_LOG_LINES = 20


class Screen:
    """Writes for people: with colors on a terminal, with the time of day elsewhere."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)

    def say(self, subject: str, text: str) -> None:
        """Print one line about one part."""
        if self.console.is_terminal:
            line = f"[bold]{subject:<9}[/] {escape(plain_line(text))}"
        else:
            line = f"{datetime.now().astimezone():%H:%M:%S}  {subject}: {escape(plain_line(text))}"
        self.console.print(line, soft_wrap=True)

    def headline(self, text: str) -> None:
        """Begin a part of the output."""
        self.console.print(f"\n[bold]{escape(text)}[/]", soft_wrap=not self.console.is_terminal)

    def sentence(self, text: str) -> None:
        """Print a line to be read: on a terminal it is wrapped between words."""
        self.console.print(text, markup=False, soft_wrap=not self.console.is_terminal)

    def plain(self, text: str) -> None:
        """Print text to be copied: as it is, not wrapped."""
        self.console.print(text, markup=False, soft_wrap=True)

    def failed(self, message: str, log: Path | None = None) -> None:
        """Print on stderr what failed, with the end of its log."""
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(Text.assemble(("The demo failed: ", "bold red"), plain_block(message)))
        if log is not None and log.exists():
            console.print(f"The end of {log.name}:", markup=False)
            for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]:
                console.print(f"  {plain_line(line)}", markup=False)

    def standing(self, found: Iterable[Standing]) -> None:
        """Show what exists."""
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
        for name in ("CTID", "name", "role", "made from", "status"):
            table.add_column(name, no_wrap=True)
        table.add_column("made in", justify="right", no_wrap=True)
        for thing in found:
            seen = thing.seen
            cells = (str(seen.ctid), plain_line(seen.config.get("hostname", "")), thing.role, thing.source)
            status = Text(thing.status, style="green" if seen.running else "")
            table.add_row(*map(Text, cells), status, f"{thing.seconds:.1f} s")
        self.console.print(table)

    def timeline(self, steps: Sequence[Step]) -> None:
        """Show when what was done: a bar for each step."""
        shown = [step for step in steps if step.name not in _LEFT_OUT]
        total = max(step.started + step.seconds for step in shown) - min(step.started for step in shown)
        self.console.print(timeline(shown, self.console))
        for source, clones in lanes(steps).items():
            if len(clones) > 1:
                order = ", then ".join(str(clone.ctid) for clone in clones)
                self.sentence(f"Clones of {source}, one at a time: {order}.")
        work = sum(step.seconds for step in steps)
        self.sentence(f"Everything else ran in parallel: {work:.1f} s of work in {total:.1f} s.")
