"""What is wrong with one entry on its own, in words, each with what to write in its place."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from phoenix_worker.catalog import likely_keys, likely_types, likely_values, old_forms
from phoenix_worker.catalog.access_sections import NAME_A_PLACE
from phoenix_worker.catalog.findings import Refusal, plain, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

    from phoenix_worker.catalog.sections import Section

    Location = tuple[int | str, ...]


_MOST = 100
"""Refusals of one entry. Each is thought out with the whole entry, and nobody reads more of them."""


def refusals(ctid: int, details: Sequence[ErrorDetails], raw: Mapping[str, Any], model: type[Section]) -> list[Refusal]:
    """Make a refusal of each error in an entry, which `model` has found; of the first hundred, and count the others."""
    if "hostname" in raw:  # that it is the name is told
        details = [one for one in details if (one["type"], one["loc"]) != ("missing", ("name",))]
    told, others = details[:_MOST], len(details[_MOST:])
    found = list(_once(told, [_refusal(ctid, detail, raw, model) for detail in told]))
    if others:
        found.append(Refusal(ctid, f"{others} more values of it are wrong.", "Correct the others first."))
    return found


def _once(details: Sequence[ErrorDetails], found: Sequence[Refusal]) -> Iterator[Refusal]:
    """Leave out that a key is missing where one of another name was told to be it."""
    meant = {
        (one["loc"][:-1], word)
        for one, told in zip(details, found, strict=True)
        if one["type"] == "extra_forbidden"
        for word in re.findall(r"\w+", told.remedy)
    }
    sizes = {"size_gb": ("size_gb", "size")}
    for one, told in zip(details, found, strict=True):
        *above, key = one["loc"]
        if one["type"] != "missing" or not any((tuple(above), name) in meant for name in sizes.get(str(key), (key,))):
            yield told


_STANDARD = {
    "missing": ("is missing", "Declare {key}."),
    "int_type": ("is not a whole number", "Write one without quotes or a fraction, such as 4."),
    "float_type": ("is not a number", "Write one without quotes, such as 1.5."),
    "dict_type": ("is not an object", "Write it in {{ }}."),
    "bool_type": ("is neither true nor false", "Write true or false without quotes."),
    "string_type": ("is not a string", "Write it in quotes."),
    "list_type": ("is not a list", "Write it in [ ]."),
    "model_type": ("is not an object", "Write it in {{ }}."),
    "literal_error": ("is not {expected}", "Write {expected}."),
    "greater_than_equal": ("is below {ge}", "Write at least {ge}."),
    "less_than_equal": ("is above {le}", "Write at most {le}."),
    "string_too_long": ("is longer than {max_length} characters", "Shorten it."),
    "catalog": ("{predicate}", "{remedy}"),
}
_PLACE = "the name of a place where a worker finds it"
"""What a password has to be. Whatever is wrong with it, it is not quoted: it may be the password itself."""
_OTHERWISE = ("cannot be read: {message}", "Correct it.")


def _refusal(ctid: int, detail: ErrorDetails, raw: Mapping[str, Any], model: type[Section]) -> Refusal:
    key = _spelled(detail["loc"])
    if detail["loc"][0] == "password":
        return Refusal(ctid, f"{key} is not {_PLACE}.", NAME_A_PLACE)
    if detail["type"] == "extra_forbidden":
        return _unknown(ctid, detail["loc"], raw, model)
    predicate, remedy = _STANDARD.get(detail["type"], _OTHERWISE)
    ctx: dict[str, Any] = detail.get("ctx", {})
    limits = {name: int(ctx[name]) for name in ("ge", "le") if name in ctx and not ctx[name] % 1}
    words: dict[str, Any] = {"key": key, "message": detail["msg"]} | ctx | limits
    words["expected"] = str(words.get("expected")).replace("'", '"')
    value = detail["input"]
    subject = key if isinstance(value, dict | list) or detail["type"] == "missing" else f"{key} {shown(value)}"
    as_told = old_forms.remedy(detail["loc"], raw) if detail["loc"][0] in raw else None
    meant = likely_values.remedy(detail["loc"], value) if as_told is None and not isinstance(value, dict) else as_told
    meant = None if meant == f"Write {shown(value)}." else meant  # its type and spelling are right
    meant = meant or likely_types.remedy(detail, raw)
    if value is None and isinstance(detail["loc"][-1], int):
        meant = "Remove it."
    if meant is not None and not _is_taken(detail["loc"], meant, raw, model):
        meant = None
    if detail["type"] == "string_type" and isinstance(value, dict | list):
        remedy = "Write one text, in quotes."
    return Refusal(ctid, f"{subject} {predicate.format(**words)}.", meant or remedy.format(**words))


def _is_taken(location: Location, remedy: str, raw: Mapping[str, Any], model: type[Section]) -> bool:
    """Return whether a value that is told to be written would be taken there; true where none is told alone."""
    try:
        written = json.loads(remedy.removeprefix("Write ").removesuffix("."))
    except ValueError:
        return True
    changed = copy.deepcopy(dict(raw))
    holder: Any = changed
    for step in location[:-1]:
        holder = holder[step]
    holder[location[-1]] = written
    try:
        model.model_validate(changed)
    except ValidationError as error:
        return not any(one["loc"][: len(location)] == location for one in error.errors(include_url=False))
    return True


def _unknown(ctid: int, location: Location, raw: Mapping[str, Any], model: type[Section]) -> Refusal:
    """Refuse a key that a section does not have."""
    *above, key = location
    section: Any = raw
    for step in above:
        section = section[step]
    value = "" if isinstance(section[key], dict | list) else f" {shown(section[key])}"
    where = ".".join(step for step in above if isinstance(step, str))
    problem = f"{plain(_spelled(location))}{value} is not known here and would be left out."
    return Refusal(ctid, problem, likely_keys.remedy(where, str(key), section, raw, model.model_fields))


def _spelled(location: Location) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return "".join(steps).removeprefix(".")
