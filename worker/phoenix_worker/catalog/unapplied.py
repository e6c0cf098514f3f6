"""Which keys of an entry this version reads but does not apply, so that nobody takes them for done."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.catalog.entry import Entry

_SCRIPTS = "scripts are not run yet"
_NODE_FILE = "raw lines are written on the node, which is not done yet"
_ROOT = "only root on the node may set it, which is not done yet"

REASONS = {
    "features": _SCRIPTS,
    "application_script": _SCRIPTS,
    "health_check": "health checks are not run yet",
    "lxc_options": _NODE_FILE,
    "apparmor_profile": _NODE_FILE,
    "apparmor_manages_nesting": _NODE_FILE,
    "id_maps": _NODE_FILE,
    "mount_points": _ROOT,
    "zfs_volumes": "volumes are not made yet",
    "volumes": "volumes are not made yet",
    "enable_lifecycle_snapshots": "snapshots are not taken yet",
}
"""Key and reason, for each key that is applied neither in whole nor in part."""


def token_options(entry: Entry, *, unprivileged: bool) -> tuple[str, ...]:
    """Those of `pct_options` that an API token may set: `nesting`, and only for unprivileged containers."""
    nesting = (option for option in entry.pct_options if option.startswith("nesting="))
    return tuple(dict.fromkeys(nesting)) if unprivileged else ()


def not_applied(entry: Entry, *, unprivileged: bool) -> tuple[str, ...]:
    """List `key: why` for each key that the entry uses and this version does not apply."""
    unused = [f"{key}: {why}" for key, why in REASONS.items() if _uses(entry, key)]
    return (*unused, *_gpus(entry), *_root_options(entry, unprivileged=unprivileged))


def _uses(entry: Entry, key: str) -> bool:
    return getattr(entry, key) not in (None, [], False)


def _gpus(entry: Entry) -> Iterator[str]:
    if entry.gpu_assignment != "none":
        yield f"gpu_assignment: {_ROOT}"


def _root_options(entry: Entry, *, unprivileged: bool) -> Iterator[str]:
    applied = token_options(entry, unprivileged=unprivileged)
    options = [option for option in dict.fromkeys(entry.pct_options) if option not in applied]
    if options:
        yield f"pct_options: {', '.join(options)}: {_ROOT}"
