"""Options of Proxmox that are one value each: what they should be, and when two spellings are the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phoenix_worker.catalog.declaration import PROTECTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from phoenix_worker.catalog.declaration import Declaration

PENDING = frozenset({"searchdomain", "timezone", "console", "tty", "cmode", "entrypoint", "env"})
"""Those that a running container takes only at its next start; see `PENDING_KEYS` in `diff.py`."""
KEYS = PENDING | {PROTECTION, "cpulimit", "cpuunits"}
DEFAULTS = {
    "onboot": "0",
    PROTECTION: "0",
    "console": "1",
    "tty": "2",
    "cmode": "tty",
    "cpulimit": "0",
    "entrypoint": "/sbin/init",
}
"""What is so where the configuration does not say it (`$confdesc` in pve-container)."""
_NAMES = {"ostype": "OS type", "arch": "architecture"}
_DRIVE = re.compile(r"rootfs|mp\d+")


def wanted(declaration: Declaration, present: Mapping[str, str], *, fresh: bool) -> dict[str, str]:
    """Return the value that each should have. Protection is nobody else's: a new clone loses its template's."""
    inherited = {PROTECTION: "0"} if fresh and present.get(PROTECTION) == "1" else {}
    options = inherited | dict(declaration.options)
    if "env" in options:
        options["env"] = _joined(_variables(present.get("env", "")) | _variables(options["env"]))
    return options


def of_image(declaration: Declaration) -> frozenset[str]:
    """Name what Proxmox takes from an OCI image at creation, whatever it is told: it is set afterwards."""
    image = (declaration.os_template or "").endswith(".tar")
    return frozenset({"entrypoint", "env", "cmode"} if image else {"entrypoint", "env"})


def same(key: str, one: str, other: str) -> bool:
    """Compare two spellings of a value."""
    if key == "env":
        return _variables(one) == _variables(other)
    if key == "cpulimit":
        return float(one) == float(other)
    return re.split(r"[\s,;]+", one.strip()) == re.split(r"[\s,;]+", other.strip())


def shown(value: str) -> str:
    """Write a value for people: the variables of an environment are separated by NUL."""
    return value.replace("\0", " ")


def _variables(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split("\0") if "=" in pair)


def _joined(variables: Mapping[str, str]) -> str:
    return "\0".join(f"{name}={value}" for name, value in variables.items())


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
