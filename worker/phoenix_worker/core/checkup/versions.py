"""Which keys of a catalog this Proxmox is too old for: an ensure refuses them before anything is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.allowed.versions import needing, written
from phoenix_worker.core.checkup.line import error, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.checkup.line import Line


def judge_keys(catalog: Mapping[int, Declaration], version: tuple[int, ...], *, has_shell: bool) -> Iterator[Line]:
    """Name each key that takes a newer Proxmox VE, with the CTIDs that declare it."""
    lacking: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for ctid, declaration in sorted(catalog.items()):
        for one in needing(declaration, has_shell=has_shell):
            if version < one[1]:
                lacking.setdefault(one, []).append(ctid)
    for (key, needed), ctids in sorted(lacking.items()):
        yield error(
            "Proxmox version",
            f"{key} of CT {listed(ctids)} needs Proxmox VE {written(needed)}, and this is {written(version)}",
            f"Upgrade Proxmox VE, or remove {key} from the catalog.",
        )
