"""Proxmox's property strings, `name=eth0,bridge=vmbr0,…`, and the sizes in them."""

from __future__ import annotations

import math
import re

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)((?P<unit>[KMGT])(iB)?)?")
_IN_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_GIB = _IN_BYTES["G"]


def parse(text: str, bare: str = "") -> dict[str, str]:
    """Return the parts of a property string. A first part without `=` goes under the name `bare`."""
    splits = (part.strip().partition("=") for part in text.split(",") if part.strip())
    return dict((left, right) if equals else (bare, left) for left, equals, right in splits)


def render(parts: dict[str, str], first: str) -> str:
    """Return the property string, `first` first and the rest by name, as Proxmox prints it."""
    names = sorted(parts, key=lambda name: (name != first, name))
    return ",".join(f"{name}={parts[name]}" for name in names)


def size_gib(text: str) -> float | None:
    """Read a size such as `512M`, `8G` or `8GiB`, in GiB; None when it is not one (pve-common, `parse_size`).

    `0T` is that of a volume without a limit, which is larger than any size.
    """
    found = _SIZE.fullmatch(text)
    size = float(found["number"]) * _IN_BYTES[found["unit"] or ""] / _GIB if found else None
    return math.inf if size == 0 else size


def size_text(gib: float) -> str:
    """Write a size in GiB as Proxmox shows it, in the largest unit of which it is a whole number (`format_size`)."""
    size = int(gib * _GIB)
    unit = next((unit for unit in "TGMK" if size % _IN_BYTES[unit] == 0), "")
    return f"{size // _IN_BYTES[unit]}{unit}"


def shown_gib(size: float) -> str:
    """Say how much room a size in GiB is."""
    return "without limit" if math.isinf(size) else f"{size:g} GiB"
