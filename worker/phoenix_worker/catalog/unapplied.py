"""Which keys of an entry this version reads but does not apply, so that nobody takes them for done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.catalog.root_only import known, raw_lines

if TYPE_CHECKING:
    from phoenix_worker.catalog.entry import Entry

_SCRIPTS = "scripts are not run yet"

REASONS = {
    "features": _SCRIPTS,
    "application_script": _SCRIPTS,
    "health_check": "health checks are not run yet",
    "enable_lifecycle_snapshots": "snapshots are not taken yet",
}
"""Key and reason, for each key that is applied neither in whole nor in part."""


def not_applied(entry: Entry) -> tuple[str, ...]:
    """List `key: why` for each key that the entry uses and this version does not apply."""
    unused = [f"{key}: {why}" for key, why in REASONS.items() if _uses(entry, key)]
    unknown = dict.fromkeys(key for _, (key, _) in raw_lines(entry) if not known(key))
    return (*unused, *(f"lxc_options: {key}: Proxmox knows no such raw key" for key in unknown))


def _uses(entry: Entry, key: str) -> bool:
    return getattr(entry, key) not in (None, [], False)
