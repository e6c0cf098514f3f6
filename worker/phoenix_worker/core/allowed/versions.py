"""Whether this Proxmox is new enough for what is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phoenix_worker.catalog.declaration import Declaration


def needing(declaration: Declaration, *, has_shell: bool) -> tuple[tuple[str, tuple[int, int]], ...]:
    """Return the keys that not every Proxmox has, but for those that are not applied without shell access anyhow."""
    out_of_reach = () if has_shell else declaration.needs_shell
    return tuple(one for one in declaration.needs_version if one[0].partition(".")[0] not in out_of_reach)


def too_old(
    declaration: Declaration, needed_by: Iterable[tuple[str, tuple[int, int]]], version: tuple[int, int]
) -> PermanentError | None:
    """Say which of the keys this Proxmox does not have yet, and which version it takes; None if it has all."""
    lacking = [(key, needed) for key, needed in needed_by if version < needed]
    if not lacking:
        return None
    told = ", ".join(f"{key} needs Proxmox VE {_written(needed)}" for key, needed in lacking)
    keys = " and ".join(key for key, _ in lacking)
    return PermanentError(
        f"Unable to ensure CT {declaration.ctid} on {declaration.where}: {told}, and this is {_written(version)}.",
        cause="proxmox-too-old",
        remedy=f"Upgrade Proxmox VE, or remove {keys} from the catalog.",
    )


def _written(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
