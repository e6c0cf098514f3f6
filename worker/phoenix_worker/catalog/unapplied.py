"""The catalog keys that this version reads but does not apply, so that nobody takes them for done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.catalog.root_only import known, raw_lines

if TYPE_CHECKING:
    from phoenix_worker.catalog.entry import Entry


def not_applied(entry: Entry) -> tuple[str, ...]:
    """List `key: why` for each key that the entry uses and that has no effect."""
    unknown = dict.fromkeys(key for _, (key, _) in raw_lines(entry) if not known(key))
    return tuple(f"lxc_options: {key}: Proxmox knows no such raw key" for key in unknown)
