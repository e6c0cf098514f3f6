"""Options of Proxmox that are one value each: what they should be, and when two spellings are the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phoenix_worker.catalog.declaration import PROTECTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from phoenix_worker.catalog.declaration import Declaration

PENDING = frozenset({"searchdomain", "timezone", "console", "tty", "cmode"})
"""Those that a running container takes only at its next start; see `PENDING_KEYS` in `diff.py`."""
KEYS = PENDING | {PROTECTION, "cpulimit", "cpuunits"}
DEFAULTS = {"onboot": "0", PROTECTION: "0", "console": "1", "tty": "2", "cmode": "tty", "cpulimit": "0"}
"""What is so where the configuration does not say it (`$confdesc` in pve-container)."""
_NAMES = {"ostype": "OS type", "arch": "architecture"}
_DRIVE = re.compile(r"rootfs|mp\d+")


def wanted(declaration: Declaration, present: Mapping[str, str], *, fresh: bool) -> dict[str, str]:
    """Return the value that each should have. Protection is nobody else's: a new clone loses its template's."""
    inherited = {PROTECTION: "0"} if fresh and present.get(PROTECTION) == "1" else {}
    return inherited | dict(declaration.options)


def same(key: str, one: str, other: str) -> bool:
    """Compare two spellings of a value."""
    if key == "cpulimit":
        return float(one) == float(other)
    return re.split(r"[\s,;]+", one.strip()) == re.split(r"[\s,;]+", other.strip())


def only_at_creation(declaration: Declaration) -> dict[str, str]:
    """Return what a new container is created with, and a clone has from its template."""
    return dict(declaration.at_creation) if declaration.clone_from is None else {}


def unchangeable(declaration: Declaration, config: Mapping[str, str]) -> Iterator[str]:
    """Say what was set otherwise at creation."""
    for key, value in declaration.at_creation:
        if config.get(key, value) != value:
            yield f"its {_NAMES[key]} is {config[key]}, the catalog declares {value}, and this is set only at creation"


def in_the_way(declaration: Declaration, config: Mapping[str, str], keys: Iterable[str], *, fresh: bool) -> bool:
    """Tell whether protection keeps some of the keys as they are, and is ours: declared, or of a clone's template.

    What somebody has protected by hand stays protected, and Proxmox's refusal is told.
    """
    ours = fresh or PROTECTION in dict(declaration.options)
    return ours and config.get(PROTECTION) == "1" and any(map(_DRIVE.fullmatch, keys))
