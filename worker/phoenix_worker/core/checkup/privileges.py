"""What the API token must be allowed for a catalog, and the commands that allow what is missing.

Which privilege a call takes is written in Proxmox's own API (`permissions` of each method) and, for the keys of a
configuration, in pve-container's `check_ct_modify_config_perm`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phoenix_worker.core.checkup.cluster import storages_of
from phoenix_worker.core.checkup.line import error, fine, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.checkup.line import Line

ROLE = "Phoenix"
"""As README.md and docs/getting-started.md name it."""
_ALWAYS = ("VM.Allocate", "VM.Audit", "VM.Config.Network", "VM.Config.Options", "VM.PowerMgmt")


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """A privilege on a path of Proxmox's access control; that on `or_on`, a pool, will do too."""

    path: str
    privilege: str
    or_on: str | None = None


def needs(catalog: Mapping[int, Declaration], absent_os_templates: Iterable[str] = ()) -> frozenset[Need]:
    """Tell all that this catalog needs. OS templates that are absent have to be downloaded."""
    found = {need for one in catalog.values() for need in _of_one(one, catalog)}
    storages = {volume.partition(":")[0] for volume in absent_os_templates}
    found |= {Need(f"/storage/{storage}", "Datastore.AllocateTemplate") for storage in storages}
    return frozenset(found)


def _of_one(declaration: Declaration, catalog: Mapping[int, Declaration]) -> Iterator[Need]:
    pool = None if declaration.pool is None else f"/pool/{declaration.pool}"
    for privilege in _on_guest(declaration):
        yield Need(f"/vms/{declaration.ctid}", privilege, or_on=pool)
    if declaration.clone_from is not None:
        yield Need(f"/vms/{declaration.clone_from}", "VM.Clone", or_on=_pool_of(declaration.clone_from, catalog))
    if declaration.pool is not None:
        for privilege in ("Pool.Allocate", "Pool.Audit", "VM.Allocate"):
            yield Need(f"/pool/{declaration.pool}", privilege)
    yield Need(f"/nodes/{declaration.node}", "Sys.Audit")
    for storage in storages_of(declaration, catalog):
        yield Need(f"/storage/{storage}", "Datastore.AllocateSpace")
        yield Need(f"/storage/{storage}", "Datastore.Audit")
    if declaration.os_template is not None:
        yield Need(f"/storage/{declaration.os_template.partition(':')[0]}", "Datastore.Audit")
    if declaration.network is not None:
        tag = "" if declaration.network.vlan is None else f"/{declaration.network.vlan}"
        yield Need(f"/sdn/zones/localnetwork/{declaration.network.bridge}{tag}", "SDN.Use")


def _on_guest(declaration: Declaration) -> Iterator[str]:
    yield from _ALWAYS
    if declaration.snapshots:
        yield "VM.Snapshot"
    if declaration.cores is not None:
        yield "VM.Config.CPU"
    if declaration.memory_mb is not None or declaration.swap_mb is not None:
        yield "VM.Config.Memory"
    if declaration.disk_gb is not None or declaration.storage is not None or declaration.volumes:
        yield "VM.Config.Disk"


def _pool_of(ctid: int, catalog: Mapping[int, Declaration]) -> str | None:
    pool = catalog[ctid].pool if ctid in catalog else None
    return None if pool is None else f"/pool/{pool}"


def paths(wanted: Iterable[Need]) -> tuple[str, ...]:
    """Name the paths to ask about."""
    return tuple(sorted({path for need in wanted for path in (need.path, need.or_on) if path is not None}))


def judge_privileges(
    wanted: frozenset[Need], held: Mapping[str, frozenset[str]], user: str, token: str
) -> Iterator[Line]:
    """Say what the token lacks; `held` has its privileges on each of the `paths`. `user` owns the token."""
    lacking = [need for need in wanted if not _has(need, held)]
    if not lacking:
        yield fine(
            "Proxmox privileges", f"{token} has all {len({need.privilege for need in wanted})} required privileges"
        )
        return
    known = any(held.values())
    for privileges, those in sorted(_together(lacking).items()):
        places = _places(those, wanted)
        yield error(
            "Proxmox privileges",
            f"{token} lacks {', '.join(privileges)} on {listed(those)}",
            _remedy(privileges, places, user, token, everything=None if known else wanted),
        )


def _has(need: Need, held: Mapping[str, frozenset[str]]) -> bool:
    return any(need.privilege in held.get(path, ()) for path in (need.path, need.or_on) if path is not None)


def _together(lacking: list[Need]) -> dict[tuple[str, ...], list[str]]:
    """Put paths of one kind that lack the same into one line."""
    by_path: dict[str, set[str]] = {}
    for need in lacking:
        by_path.setdefault(need.path, set()).add(need.privilege)
    lines: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for path in sorted(by_path, key=_natural):
        lines.setdefault((_top(path), tuple(sorted(by_path[path]))), []).append(path)
    joined: dict[tuple[str, ...], list[str]] = {}
    for (_, privileges), those in lines.items():
        joined.setdefault(privileges, []).extend(those)
    return joined


def _natural(path: str) -> tuple[str, int, str]:
    top, _, name = path.rpartition("/")
    return (top, int(name) if name.isdecimal() else 0, name)


def _top(path: str) -> str:
    """Name the path above that stands for all of its kind."""
    return "/sdn/zones/localnetwork" if path.startswith("/sdn/") else f"/{path.split('/')[1]}"


def _places(those: list[str], wanted: frozenset[Need]) -> list[str]:
    """Name where to grant it: above, when all of a kind lack it, else on each."""
    places: list[str] = []
    for top in dict.fromkeys(map(_top, those)):
        mine = [path for path in those if _top(path) == top]
        every = {need.path for need in wanted if _top(need.path) == top}
        places += [top] if len(mine) > 1 and len(mine) == len(every) else mine
    return places


def _remedy(
    privileges: tuple[str, ...], places: list[str], user: str, token: str, *, everything: frozenset[Need] | None
) -> str:
    if everything is not None:
        privileges = tuple(sorted({need.privilege for need in everything}))
    role = f'pveum role {"modify" if everything is None else "add"} {ROLE} --privs "{" ".join(privileges)}"'
    if everything is None:
        role += " --append 1"
    # A token with privilege separation needs each grant for itself besides; for one without it changes nothing.
    grants = [f"pveum acl modify {place} --users {user} --tokens '{token}' --roles {ROLE}" for place in places]
    return " && ".join([role, *grants])
