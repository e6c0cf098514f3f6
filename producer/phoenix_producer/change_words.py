"""Changes for people. Of a property string such as `net0`, only the parts that differ are written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROPERTY_STRING = re.compile(r"(net|mp|dev)\d+|features|rootfs|startup")


def change_words(key: str, old: str | None, new: str | None, colon: str = ":") -> str:
    """Write a change in one line, such as `net0 ip: 10.0.0.1/24 → 10.0.0.2/24, net0 gw: 10.0.0.1 → unset`."""
    return ", ".join(f"{name}{colon} {_old_to_new(*values)}" for name, *values in _differing(key, old, new))


def _old_to_new(old: str | None, new: str | None) -> str:
    """Write two values in one line."""
    return f"{old or 'unset'} → {new or 'unset'}".replace("\n", " ")


def _differing(key: str, old: str | None, new: str | None) -> Iterator[tuple[str, str | None, str | None]]:
    """Take a change apart, unless a side is missing or one of them is no property string."""
    before, after = (_parts(value) for value in (old, new))
    if not (_PROPERTY_STRING.fullmatch(key) and before and after and before != after):
        yield key, old, new
        return
    for part in dict.fromkeys((*after, *before)):
        if before.get(part) != after.get(part):
            yield f"{key} {part}".rstrip(), before.get(part), after.get(part)


def _parts(value: str | None) -> dict[str, str]:
    """Return the parts by name; what stands first without a name, as a volume does, has none here either."""
    splits = (part.partition("=") for part in (value or "").split(","))
    return {name if equals else "": text if equals else name for name, equals, text in splits if name}
