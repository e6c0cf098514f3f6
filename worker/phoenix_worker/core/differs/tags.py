"""Tags: nobody's case is changed, and whether two that differ in case alone are one tag is the datacenter's to say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation

TAG = "phoenix"
"""For people; it proves nothing."""


def wanted_tags(declared: Iterable[str] | None, present: str, *, case_sensitive: bool) -> str:
    """Return the tags as they should be. One that is there keeps its case where the datacenter ignores it."""
    there = _split(present)
    spelt = {_key(tag, case_sensitive): tag for tag in there}
    wanted = {_key(tag, case_sensitive): tag for tag in [*(there if declared is None else declared), TAG]}
    tags = {spelt.get(key, tag) for key, tag in wanted.items()}
    return ";".join(sorted(tags, key=lambda tag: (tag.lower(), tag)))


def tag_change(declared: Iterable[str] | None, present: str, *, case_sensitive: bool) -> dict[str, str]:
    """Return what is to be written; nothing when the same tags are there, in whatever order."""
    wanted = wanted_tags(declared, present, case_sensitive=case_sensitive)
    keys = ({_key(tag, case_sensitive) for tag in _split(tags)} for tags in (wanted, present))
    return {} if next(keys) == next(keys) else {"tags": wanted}


def as_stored(tags: str, *, case_sensitive: bool) -> str:
    """Return tags as Proxmox shows what was sent (`get_unique_tags` of pve-guest-common), in its order by default."""
    return ";".join(sorted({_key(tag, case_sensitive) for tag in _split(tags)}))


def hangs_on_case(declaration: Declaration, seen: Observation) -> bool:
    """Return whether what is written depends on whether tags that differ in case alone are one tag."""
    present = seen.config.get("tags", "")
    exact, loose = (tag_change(declaration.tags, present, case_sensitive=strict) for strict in (True, False))
    return exact != loose


def _split(tags: str) -> list[str]:
    return re.split(r"[;,\s]+", tags.strip(";, \n")) if tags.strip(";, \n") else []


def _key(tag: str, case_sensitive: bool) -> str:  # noqa: FBT001 - as the caller names it
    return tag if case_sensitive else tag.lower()
