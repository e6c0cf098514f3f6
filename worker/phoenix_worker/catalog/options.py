"""What of an entry is one option of Proxmox each, by Proxmox's name for it and in its spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from phoenix_worker.catalog.declaration import PROTECTION
from phoenix_worker.catalog.findings import Refusal
from phoenix_worker.catalog.option_fields import Environment
from phoenix_worker.catalog.template_fields import is_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phoenix_worker.catalog.entry import Entry, ParsedEntry

    Entries = Mapping[int, ParsedEntry]

ENVIRONMENT = "environment"
_VARIABLES = TypeAdapter(Environment, config=ConfigDict(strict=True))
_OPTIONS = {
    "protection": PROTECTION,
    "search_domain": "searchdomain",
    "timezone": "timezone",
    "console": "console",
    "tty": "tty",
    "cmode": "cmode",
    "cpu_limit": "cpulimit",
    "cpu_units": "cpuunits",
    "entrypoint": "entrypoint",
}
_AT_CREATION = {"os_type": "ostype", "arch": "arch"}


def of_image(entries: Entries, ctid: int) -> bool:
    """Return whether a container may have an OCI image's environment: Proxmox knows one by the content of a `.tar`."""
    return is_image(_root(entries, ctid).template or "")


def options(entry: Entry, *, template: bool, image: bool) -> dict[str, Any]:
    """Return the fields of a declaration that hold such options, by name."""
    names = _OPTIONS | ({ENVIRONMENT: "env"} if image else {})
    return {
        "boot_down_delay": None if template else entry.boot_down_delay,
        "options": _declared(entry, names),
        "at_creation": _declared(entry, _AT_CREATION),
        "hookscript": entry.hookscript,
    }


def refuse_options(entries: Entries) -> Iterator[Refusal]:
    """Refuse what a clone declares of what it can only have from the one that its templates begin with."""
    for ctid, parsed in entries.items():
        if of_image(entries, ctid) and parsed.entry.environment is not None:
            try:
                _VARIABLES.validate_python(parsed.entry.environment)
            except ValidationError:
                problem = "environment is not an object with the values of variables, all of them one line of ASCII."
                yield Refusal(ctid, problem, 'Write it like {"LANG": "C.UTF-8"}.')
        source = parsed.entry.clone_from_ctid
        for key in _AT_CREATION if source in entries else ():
            own, its = getattr(parsed.entry, key), getattr(_root(entries, ctid), key)
            if own is not None and own != its:
                there = "nothing" if its is None else its
                problem = (
                    f"{key} is {own}, and the template that it comes from declares {there}: a clone has its template's."
                )
                yield Refusal(ctid, problem, f"Remove it, or declare it where the chain of templates begins: {own}.")


def _root(entries: Entries, ctid: int) -> Entry:
    """Follow the templates of a clone to the first of them."""
    seen: list[int | None] = [ctid]
    while (source := entries[seen[-1] or 0].entry.clone_from_ctid) in entries and source not in seen:
        seen.append(source)
    return entries[seen[-1] or 0].entry


def _declared(entry: Entry, names: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    values = ((name, getattr(entry, key)) for key, name in names.items())
    return tuple((name, _spelled(value)) for name, value in values if value not in (None, [], {}))


def _spelled(value: Any) -> str:
    if isinstance(value, dict):
        return "\0".join(f"{name}={one}" for name, one in sorted(value.items()))
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.12g}" if isinstance(value, float) else str(value)
