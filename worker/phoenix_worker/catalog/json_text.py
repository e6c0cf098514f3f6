"""Where the members of a JSON object stand in its text, and edits of that text. The text must be valid JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Member:
    """A key with its value; offsets into the text, each end exclusive."""

    key: str
    value: Any
    start: int
    key_end: int
    value_start: int
    end: int


@dataclass(frozen=True, slots=True)
class Edit:
    """Put `text` in the place of what stands from `start` to `end`."""

    start: int
    end: int
    text: str = ""


def members(text: str, start: int) -> list[Member]:
    """List the members of the object whose brace is at `start`."""
    found = []
    at = _skip(text, start + 1)
    while text[at] != "}":
        key, key_end = _DECODER.raw_decode(text, at)
        value_start = _skip(text, _skip(text, key_end) + len(":"))
        value, end = _DECODER.raw_decode(text, value_start)
        found.append(Member(key, value, at, key_end, value_start, end))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + len(","))
    return found


def removals(found: list[Member], keys: Collection[str]) -> Iterator[Edit]:
    """Remove members with their commas and lines, leaving the layout of the others as it is."""
    kept = [index for index, member in enumerate(found) if member.key not in keys]
    if not kept and found:
        yield Edit(found[0].start, found[-1].end)
        return
    if kept and kept[0] > 0:
        yield Edit(found[0].start, found[kept[0]].start)
    for index, member in enumerate(found):
        if member.key in keys and kept[0] < index:
            yield Edit(found[index - 1].end, member.end)


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Apply edits that do not overlap."""
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return at if blank is None else blank.end()
