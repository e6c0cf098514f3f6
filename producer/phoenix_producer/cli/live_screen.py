"""Lines for jobs on a screen: who runs, who waits, who is queued, who failed, the rest as a count. Pure."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from phoenix_producer.plain_text import plain_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

_REASONS = 2
"""As many things that jobs wait for are named in the count."""
_NARROW = 60
"""Columns; with fewer a table is mostly gaps, and nothing in it can be read."""


class Rank(IntEnum):
    """The order in which jobs have a claim to a line."""

    ACTIVE = 0
    FAILED = 1
    DONE = 2


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job's line, and those of what is done on its behalf."""

    rank: Rank
    cells: tuple[Text, ...]
    below: tuple[tuple[Text, ...], ...] = ()
    waits_for: str = ""
    """Such as `template 900`."""
    queued: bool = False
    """No worker has taken it yet."""

    @property
    def claim(self) -> tuple[Rank, bool, bool]:
        """Sorts first what a screen with few rows shows first."""
        return self.rank, self.queued and not self.waits_for, bool(self.waits_for)


def cell(text: str, style: str = "") -> Text:
    """Make a cell that stays on its line whatever it says."""
    return Text(plain_line(text), style=style, no_wrap=True, overflow="ellipsis")


def screen_of(lines: Sequence[JobLine], height: int, width: int) -> Group:
    """Show as many lines as there are rows; where they do not suffice, the last rows count all jobs.

    `height` is in rows, `width` in columns.
    """
    if sum(1 + len(line.below) for line in lines) <= height:
        return Group(*_rows((row for line in lines for row in (line.cells, *line.below)), width))
    unfinished = [line for line in lines if line.rank is not Rank.DONE]
    room = max(height - len(folded(count_of(lines, len(unfinished)), width)), 0)
    rows: list[tuple[Text, ...]] = []
    shown = 0
    for line in sorted(unfinished, key=lambda line: line.claim):
        if len(rows) >= room:
            break
        rows += (line.cells, *line.below)
        shown += 1
    count = folded(count_of(lines, len(unfinished) - shown), width)[:height]
    return Group(*_rows(rows[:room], width), *count)


def count_of(lines: Sequence[JobLine], not_shown: int = 0) -> str:
    """Say how many are done, failed, waiting, queued and running, and for what most of them wait."""
    ranks = Counter(line.rank for line in lines)
    waiting = Counter(line.waits_for for line in lines if line.rank is Rank.ACTIVE and line.waits_for)
    told = [f"{ranks[Rank.DONE]} of {len(lines)} done"]
    told += [f"{ranks[Rank.FAILED]} failed"] if ranks[Rank.FAILED] else []
    told += [f"{number} waiting for {what}" for what, number in waiting.most_common(_REASONS)]
    others = sum(waiting.values()) - sum(number for _, number in waiting.most_common(_REASONS))
    told += [f"{others} waiting for others"] if others else []
    queued = sum(line.queued and not line.waits_for for line in lines if line.rank is Rank.ACTIVE)
    told += [f"{queued} queued"] if queued else []
    running = ranks[Rank.ACTIVE] - sum(waiting.values()) - queued
    told += [f"{running} running"] if running else []
    return ", ".join(told) + (f"; {not_shown} not shown" if not_shown else "")


def folded(text: str, width: int) -> list[Text]:
    """Wrap a text into rows of `width` columns."""
    return [cell(line) for line in textwrap.wrap(text, max(width, 1))]


def _rows(rows: Iterable[tuple[Text, ...]], width: int) -> list[RenderableType]:
    if width < _NARROW:
        return [Text("  ", no_wrap=True, overflow="ellipsis").join(filter(None, row)) for row in rows]
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(*row)
    return [table] if table.rows else []
