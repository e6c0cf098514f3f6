"""What the API token must be allowed for HA resources; in Proxmox's own API (pve-ha-manager, `API2::HA::Resources`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.allowed.grants import granting_role
from phoenix_worker.core.checkup.line import error, fine, listed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.checkup.line import Line

_ROLE = "PhoenixHA"
_NEEDED = ("Sys.Audit", "Sys.Console")
"""On `/`: to read a resource, and to add, change or remove one."""


def declaring_ha(catalog: Mapping[int, Declaration]) -> list[int]:
    """Name the CTIDs whose entries have the key `ha`."""
    return [ctid for ctid, one in catalog.items() if one.ha is not None]


def judge_ha(ctids: Collection[int], held: Collection[str], user: str, token: str) -> Iterator[Line]:
    """Say what the token lacks for the CTIDs that declare `ha`; `held` are its privileges on `/`.

    They have a role of their own, since Sys.Console opens more than HA.
    """
    lacking = [privilege for privilege in _NEEDED if privilege not in held]
    if not lacking:
        yield fine("Proxmox privileges for HA", f"{token} has {' and '.join(_NEEDED)} on /")
        return
    yield error(
        "Proxmox privileges for HA",
        f"{token} lacks {', '.join(lacking)} on /, and the catalog has `ha` for {listed(ctids)}",
        granting_role(_ROLE, _NEEDED, lacking, ["/"], user, token),
    )
