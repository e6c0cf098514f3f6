"""Whoever does what the remedies of refusals say, to the letter."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phoenix_worker.catalog.findings import Refusal

_PLACE = re.compile(r"[\w-]+(?:\[\d+\]|\.[\w-]+)*")
_DECODER = json.JSONDecoder()
_BESIDE = re.compile(r"( beside [a-z_]+)?, and remove (it|it here|[a-z_]+)\.")


def followed(entry: dict[str, Any], refusal: Refusal) -> dict[str, Any] | None:
    """The entry with what a remedy prints in its place; None where it prints no replacement."""
    found = _PLACE.match(refusal.problem)
    changed = copy.deepcopy(entry)
    steps: list[str | int] = (
        [int(one) if one.isdecimal() else one for one in re.findall(r"[\w-]+", found[0])] if found else []
    )
    if found is None or not _done(changed, steps, refusal.remedy):
        return None
    return changed


def _done(entry: dict[str, Any], steps: list[str | int], remedy: str) -> bool:
    holder: Any = entry
    for step in steps[:-1]:
        holder = holder[step]
    key = steps[-1]
    if meant := re.match(r"(\w+) was probably meant: write that\.", remedy):
        holder[meant[1]] = holder.pop(key)
        return True
    if remedy.startswith("Remove it"):
        del holder[key]
        return True
    if not remedy.startswith("Write "):
        return False
    text = remedy.removeprefix("Write ")
    return _pairs(entry, steps, holder, text) or _value(holder, key, text)


def _value(holder: Any, key: str | int, text: str) -> bool:
    """`Write "auto".`; of an item of a list several: `Write 2, 3.`"""
    try:
        values = json.loads(f"[{text.removesuffix('.')}]")
    except ValueError:
        return False
    if isinstance(key, int):
        holder[key : key + 1] = values
    else:
        (holder[key],) = values
    return True


def _pairs(entry: dict[str, Any], steps: list[str | int], holder: Any, text: str) -> bool:
    """`Write "a": 1, "b": 2 in its place.`, in the section where it stands, or in the entry if it is a key of that."""
    written: dict[str, Any] = {}
    while pair := re.match(r'(?:, )?"(\w+)": ', text):
        value, end = _DECODER.raw_decode(text, pair.end())
        written[pair[1]], text = value, text[end:]
    if not written or not (text in (".", " in its place.") or _BESIDE.fullmatch(text)):
        return False
    beside = re.match(r" beside (\w+)", text)
    of_section = isinstance(holder, dict) and not beside and steps[0] not in written
    where = holder if of_section else entry
    named = re.search(r"and remove ([a-z_]+)\.", text)
    if named and named[1] != "it":
        entry.pop(named[1], None)
    elif text == " in its place." or "and remove it" in text:
        _remove(holder, steps[-1])
    where.update(written)
    return True


def _remove(holder: Any, key: str | int) -> None:
    del holder[key]
