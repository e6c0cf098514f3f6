"""The raw `lxc.` lines of a container, and its configuration file with others in their place.

Whoever declares a key owns all lines with that key: they are exactly the declared ones, in that order. A line with
another key is somebody else's and stays to the letter, as do snapshots and what waits for a restart: see
`docs/adr/0010-who-owns-what-only-root-may-set.md`.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Line = TypeVar("Line")

_LINE = re.compile(r"(?P<key>lxc\.[a-z0-9_.-]+)(:|\s*=)\s*(?P<value>.*?)\s*")
_SECTION = re.compile(r"\[(pve:pending|[a-z][a-z0-9_-]+)\]\s*", re.IGNORECASE)
"""Both as in `parse_pct_config` of pve-container."""


def by_key(lines: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Gather the values of each key, in order."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for key, value in lines:
        found[key].append(value)
    return {key: tuple(values) for key, values in found.items()}


def present(config: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Read the lines from `GET config`, which gives them as a list of pairs."""
    return tuple((key, value) for key, value in json.loads(config.get("lxc", "[]")))


def replaced(lines: Iterable[tuple[str, str]], wanted: Mapping[str, Sequence[str]]) -> tuple[tuple[str, str], ...]:
    """Put the wanted values in the place of those that the same keys have; keys that are new come last."""
    return tuple(_replaced([(key, (key, value)) for key, value in lines], wanted, lambda key, value: (key, value)))


def edited(text: str, wanted: Mapping[str, Sequence[str]]) -> str:
    """Return the content of `/etc/pve/lxc/ID.conf` with the wanted values, and all else to the letter."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    end = next((number for number, line in enumerate(lines) if _SECTION.fullmatch(line)), len(lines))
    while end and not lines[end - 1].strip():
        end -= 1
    keyed = [(_key(line), line if line.endswith("\n") else f"{line}\n") for line in lines[:end]]
    return "".join(_replaced(keyed, wanted, lambda key, value: f"{key}: {value}\n")) + "".join(lines[end:])


def locked(text: str) -> str | None:
    """Return the lock that a configuration file names; nobody else may change a locked container."""
    for line in text.split("\n"):
        if _SECTION.fullmatch(line):
            break
        if line.startswith("lock:"):
            return line.removeprefix("lock:").strip()
    return None


def _key(line: str) -> str | None:
    found = _LINE.fullmatch(line)
    return found["key"] if found else None


def _replaced(
    lines: Iterable[tuple[str | None, Line]],
    wanted: Mapping[str, Sequence[str]],
    written: Callable[[str, str], Line],
) -> Iterator[Line]:
    left = dict(wanted)
    for key, line in lines:
        if key is None or key not in wanted:
            yield line
            continue
        for value in left.pop(key, ()):
            yield written(key, value)
    for key, values in left.items():
        for value in values:
            yield written(key, value)
