"""How a mount differs in its options from what is declared; what is not declared stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.model import property_string

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DEFAULTS = {"ro": "0", "backup": "0", "shared": "0", "quota": "0", "replicate": "1", "keepattrs": "0"}
"""What is so where a mount does not say it (`$mp_desc` in pve-container); ACLs are as the file system has them."""
_LIST = "mountoptions"
_WITHOUT_ORDER = (_LIST, "idmap")


def differ(declared: Sequence[tuple[str, str]], present: Mapping[str, str]) -> bool:
    """Tell whether some option is otherwise than declared."""
    return any(_plain(name, value) != _plain(name, present.get(name)) for name, value in declared)


def with_options(declared: Sequence[tuple[str, str]], present: Mapping[str, str]) -> dict[str, str]:
    """Return the parts of a mount with the declared options."""
    return {name: value for name, value in {**present, **dict(declared)}.items() if (name, value) != (_LIST, "")}


def rendered(volume: str, parts: Mapping[str, str]) -> str:
    """Write a mount as Proxmox does: the volume or directory, then the rest by name."""
    rest = {name: value for name, value in parts.items() if name != "volume"}
    return ",".join((volume, property_string.render(rest, "mp"))) if rest else volume


def _plain(name: str, value: str | None) -> str | None:
    if name in _WITHOUT_ORDER:
        return ";".join(sorted((value or "").split(";")))
    return _DEFAULTS.get(name) if value is None else value
