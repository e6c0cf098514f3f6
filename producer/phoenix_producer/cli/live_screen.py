"""Lines for jobs on a screen of some height: who runs and waits first, who failed next, the rest as a count. Pure."""

from __future__ import annotations

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

_REASONS = 2
"""As many things that jobs wait for are named in the count."""


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


def cell(text: str, style: str = "") -> Text:
    """Make a cell that stays on its line whatever it says."""
    return Text(plain_line(text), style=style, no_wrap=True, overflow="ellipsis")


def screen_of(lines: Sequence[JobLine], height: int) -> Group:
    """Show as many lines as there are rows; where they do not suffice, the last one counts all jobs."""
    if sum(1 + len(line.below) for line in lines) <= height:
        return Group(_table(row for line in lines for row in (line.cells, *line.below)))
    rows: list[tuple[Text, ...]] = []
    shown = 0
    unfinished = sorted((line for line in lines if line.rank is not Rank.DONE), key=lambda line: line.rank)
    for line in unfinished:
        if len(rows) >= height - 1:
            break
        rows += (line.cells, *line.below)
        shown += 1
    table = [_table(rows[: height - 1])] if rows else []
    return Group(*table, cell(count_of(lines, len(unfinished) - shown)))


def count_of(lines: Sequence[JobLine], not_shown: int = 0) -> str:
    """Say how many are done, failed, running and waiting, and for what most of them wait."""
    ranks = Counter(line.rank for line in lines)
    waiting = Counter(line.waits_for for line in lines if line.rank is Rank.ACTIVE and line.waits_for)
    told = [f"{ranks[Rank.DONE]} of {len(lines)} done"]
    told += [f"{ranks[Rank.FAILED]} failed"] if ranks[Rank.FAILED] else []
    told += [f"{number} waiting for {what}" for what, number in waiting.most_common(_REASONS)]
    others = sum(waiting.values()) - sum(number for _, number in waiting.most_common(_REASONS))
    told += [f"{others} waiting for others"] if others else []
    running = ranks[Rank.ACTIVE] - sum(waiting.values())
    told += [f"{running} running"] if running else []
    return ", ".join(told) + (f"; {not_shown} not shown" if not_shown else "")


def _table(rows: Iterable[tuple[Text, ...]]) -> Table:
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(*row)
    return table
