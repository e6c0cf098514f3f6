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
_THERE = re.compile(r"Write .* and remove it\. There it is (.+?)(?:, an item of (\w+))?\.")
_PASSWORD = ' Name its password: "password": {"env": NAME}.'
_BESIDE = re.compile(r"( beside [a-z_]+)?, and remove (it|it here|[a-z_]+)\.")


def followed(entry: dict[str, Any], refusal: Refusal) -> dict[str, Any] | None:
    """The entry with what a remedy prints in its place; None where it prints no replacement."""
    first = refusal.problem.partition(" ")[0]
    found = re.match(re.escape(first), first) if first in entry else _PLACE.match(refusal.problem)
    changed = copy.deepcopy(entry)
    words = [first] if first in entry else re.findall(r"[\w-]+", found[0]) if found else []
    steps: list[str | int] = [int(one) if one.isdecimal() else one for one in words]
    remedy = refusal.remedy.removesuffix(_PASSWORD)
    if remedy != refusal.remedy:
        changed["password"] = {"env": "NAME"}
    if found is None or not (_there(changed, str(steps[0]), remedy) or _done(changed, steps, remedy)):
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
    if remedy.startswith('Write {"env": NAME}'):
        holder[key] = {"env": "NAME"}
        return True
    text = re.sub(r"^keys in a list: ", "", remedy.removeprefix("Write "))
    return _pairs(entry, steps, holder, text) or _value(holder, key, text)


def _there(entry: dict[str, Any], key: str, remedy: str) -> bool:
    """`Write it in volumes, and remove it. There it is {…}, an item of volumes.`; or a key of the entry."""
    if (found := _THERE.fullmatch(remedy)) is None:
        return False
    del entry[key]
    if found[2]:
        entry[found[2]] = [*entry.get(found[2], []), *json.loads(f"[{found[1]}]")]
        return True
    written = json.loads(f"{{{found[1]}}}")
    if "nameservers" in written:
        written = {"network_config": written}
    config = entry.get("network_config", {}) | written.pop("network_config", {})
    entry.update(written | {"network_config": {"bridge": "vmbr0"} | config})
    return True


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
