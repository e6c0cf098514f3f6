"""One line of what `phoenix-lxc check` prints: its level, what it is about, what was found, and a remedy."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Ensures work, until something happens."""
    ERROR = "error"
    """Some ensure of this catalog fails, or may be lost."""


@dataclass(frozen=True, slots=True)
class Line:
    """What was found about one thing, and what to do unless it is in order."""

    about: str
    level: Level
    text: str
    remedy: str = ""


def fine(about: str, text: str) -> Line:
    """Say that it is in order."""
    return Line(about, Level.OK, text)


def warning(about: str, text: str, remedy: str) -> Line:
    """Say what may go wrong one day."""
    return Line(about, Level.WARNING, text, remedy)


def error(about: str, text: str, remedy: str) -> Line:
    """Say what does not work."""
    return Line(about, Level.ERROR, text, remedy)


def listed(items: Iterable[object], most: int = 6) -> str:
    """Write some things in a sentence, and of many the first few."""
    words = [str(item) for item in items]
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def counted(number: int, noun: str) -> str:
    """Write how many there are of something."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def guessed(node: str, known: Collection[str]) -> str:
    """Name the node that was probably meant; nothing where none is near."""
    close = difflib.get_close_matches(node, sorted(known), n=1)
    return f" Did you mean {close[0]}?" if close else ""
