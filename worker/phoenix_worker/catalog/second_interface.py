"""`secondary_network_config` of older catalogs, as the second interface that it is: the one item of `networks`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog.json_text import Edit, Member, apply, members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

KEY = "secondary_network_config"
_BECOMES = "networks"
_MAC, _OLD_MACS = "mac_address", ("hwaddr", "mac")


def can_move(entry: Mapping[str, Any]) -> bool:
    """Return whether it is the second of two interfaces, and `networks` is free for it."""
    second = entry.get(KEY)
    return isinstance(second, dict) and bool(second) and bool(entry.get("network_config")) and _BECOMES not in entry


def edits(text: str, keys: Iterable[Member]) -> Iterator[Edit]:
    """Edit the text of an entry, whose keys are given, where it can move."""
    entry = {member.key: member for member in keys}
    if can_move({key: member.value for key, member in entry.items()}):
        second = entry[KEY]
        yield Edit(second.start, second.key_end, json.dumps(_BECOMES))
        yield Edit(second.value_start, second.end, f"[{_renamed(text[second.value_start : second.end])}]")


def moved(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Do the same on a parsed entry."""
    if not can_move(entry):
        return dict(entry)
    return dict((_BECOMES, [_item(value)]) if key == KEY else (key, value) for key, value in entry.items())


def _item(second: Mapping[str, Any]) -> dict[str, Any]:
    old = _old_mac(second)
    return {_MAC if key == old else key: value for key, value in second.items()}


def _renamed(text: str) -> str:
    inner = members(text, 0)
    old = _old_mac({member.key: member.value for member in inner})
    return apply(text, [Edit(one.start, one.key_end, json.dumps(_MAC)) for one in inner if one.key == old])


def _old_mac(second: Mapping[str, Any]) -> str | None:
    """Name the key that is `mac_address` now."""
    return None if _MAC in second else next((key for key in _OLD_MACS if key in second), None)
