"""When what was done: a bar for each step, on one scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from phoenix_producer.plain_text import plain_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from phoenix_producer.contract import Step

_LABEL, _SECONDS, _GAPS = 18, 7, 4
_WIDEST = 120
_STYLES = {"create": "blue", "seal": "magenta", "clone": "cyan", "start": "green", "stop": "red"}


def timeline(steps: Sequence[Step], console: Console) -> Table:
    """Draw steps, at least one, as wide as the console is."""
    began = min(step.started for step in steps)
    total = max(step.started + step.seconds for step in steps) - began or 1.0
    width = max(1, min(console.width, _WIDEST) - _LABEL - _SECONDS - _GAPS)
    full = "#" if console.options.ascii_only else "█"
    grid = Table.grid(padding=(0, 2, 0, 0))
    for step in steps:
        bar = Text(_bar(full, (step.started - began) / total, step.seconds / total, width))
        bar.stylize(_STYLES.get(step.name, ""))
        grid.add_row(Text(_label(step).ljust(_LABEL)), bar, Text(f"{step.seconds:.1f} s".rjust(_SECONDS - 2)))
    return grid


def _bar(full: str, start: float, length: float, width: int) -> str:
    begin = min(round(start * width), width - 1)
    return (" " * begin + full * max(1, round((start + length) * width) - begin)).ljust(width)


def _label(step: Step) -> str:
    label = f"{step.name} {step.source} → {step.ctid}" if step.source is not None else f"{step.name} {step.ctid}"
    return plain_line(label)
