"""Whether this Proxmox is new enough for what is declared."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phoenix_worker.catalog.declaration import Declaration


HA_RULES = (9, 0)
"""The version in which HA rules took the place of groups."""
HA_GROUPS_GONE = (
    "Remove `group` from `ha` in the catalog, and say by a rule where it may run: `ha-manager rules add node-affinity "
    "NAME --resources ct:{ctid} --nodes NODE,NODE`."
)


def ha_group_gone(declaration: Declaration, version: tuple[int, ...]) -> PermanentError | None:
    """Say that this Proxmox has no HA groups any more; None if none is declared, or it has them."""
    if declaration.ha is None or declaration.ha.group is None or version < HA_RULES:
        return None
    return PermanentError(
        f"Unable to ensure CT {declaration.ctid} on {declaration.node}: ha.group '{declaration.ha.group}' is declared, "
        f"and this is Proxmox VE {written(version)}, in which HA rules have taken the place of groups.",
        cause="ha-groups-gone",
        remedy=HA_GROUPS_GONE.format(ctid=declaration.ctid),
    )


def needing(declaration: Declaration, *, has_shell: bool) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return the keys that not every Proxmox has, but for those that are not applied without shell access anyhow."""
    out_of_reach = () if has_shell else declaration.needs_shell
    return tuple(one for one in declaration.needs_version if one[0].partition(".")[0] not in out_of_reach)


def too_old(
    declaration: Declaration, needed_by: Iterable[tuple[str, tuple[int, ...]]], version: tuple[int, ...]
) -> PermanentError | None:
    """Say which of the keys this Proxmox does not have yet, and which version it takes; None if it has all."""
    lacking = [(key, needed) for key, needed in needed_by if version < needed]
    if not lacking:
        return None
    told = ", ".join(f"{key} needs Proxmox VE {written(needed)}" for key, needed in lacking)
    keys = " and ".join(key for key, _ in lacking)
    return PermanentError(
        f"Unable to ensure CT {declaration.ctid} on {declaration.where}: {told}, and this is {written(version)}.",
        cause="proxmox-too-old",
        remedy=f"Upgrade Proxmox VE, or remove {keys} from the catalog.",
    )


def read_version(told: str) -> tuple[int, ...]:
    """Read what Proxmox tells, such as `9.1.4` or `8.2-1`, as three numbers. Raises ValueError for anything else."""
    numbers = re.findall(r"[0-9]+", told)
    if not numbers:
        raise ValueError(f"{told!r} is no version")
    major, minor, patch, *_ = (*numbers, "0", "0")
    return int(major), int(minor), int(patch)


def written(version: tuple[int, ...]) -> str:
    """Write a version as people do."""
    return ".".join(map(str, version))
