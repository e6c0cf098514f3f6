"""Changes to the rows of the table of what Proxmox says. mutmut changes functions only, and this is data."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from phoenix_worker.proxmox.error_row import Kind, Row
from phoenix_worker.proxmox.error_table import ANYTHING_ELSE, TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NEVER = "(?!)"
_BRACKETS = {"(": 1, ")": -1}


def mutants() -> dict[str, Callable[[], None]]:
    """What is changed, by a name that says so."""
    return {
        f"row {number} ({row.cause}): {field} {getattr(row, field)!r} → {value!r}": partial(_set, row, field, value)
        for number, row in enumerate((*TABLE, ANYTHING_ELSE))
        for field, value in _changes(row)
    }


def _set(row: Row, field: str, value: Any) -> None:
    object.__setattr__(row, field, value)


def _changes(row: Row) -> Iterator[tuple[str, Any]]:
    yield "kind", Kind.PERMANENT if row.kind is Kind.TRANSIENT else Kind.TRANSIENT
    yield "cause", f"XX{row.cause}XX"
    yield "remedy", f"XX{row.remedy}XX"
    yield "remedy", row.remedy.replace("{", "{{").replace("}", "}}").upper()
    if row is ANYTHING_ELSE:
        return
    yield "pattern", _NEVER
    yield from (("pattern", pattern) for pattern in alternatives_left_out(row.pattern))
    if row.statuses:
        yield "statuses", ()
    if len(row.statuses) > 1:
        yield from (("statuses", tuple(other for other in row.statuses if other != one)) for one in row.statuses)


def alternatives_left_out(pattern: str) -> Iterator[str]:
    """Make a pattern without each of its alternatives, those in brackets included."""
    parts = _alternatives(pattern)
    if len(parts) > 1:
        yield from ("|".join(parts[:at] + parts[at + 1 :]) for at in range(len(parts)))
    for inner in re.findall(r"\((?!\?)([^()]*\|[^()]*)\)", pattern):
        for word in inner.split("|"):
            rest = "|".join(other for other in inner.split("|") if other != word)
            yield pattern.replace(f"({inner})", f"({rest})")


def _alternatives(pattern: str) -> list[str]:
    """Split a pattern where it says "or", outside of brackets."""
    parts, depth = [""], 0
    for letter in pattern:
        depth += _BRACKETS.get(letter, 0)
        if letter == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
