"""What the API token must be allowed for a catalog, and the commands that allow what is missing.

Which privilege a call takes is written in Proxmox's own API (`permissions` of each method) and, for the keys of a
configuration, in pve-container's `check_ct_modify_config_perm`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.catalog.nodes import ANY_NODE
from phoenix_worker.core.allowed.grants import (
    ALL_GUESTS,
    ROLE,
    Need,
    granting_role,
    guest,
    of_rebuild,
    on_guest,
    pool_path,
)
from phoenix_worker.core.checkup.cluster import storages_of
from phoenix_worker.core.checkup.line import error, fine, listed, warning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.checkup.line import Line

_BRIDGES = "/sdn/zones/localnetwork/"
_SHOWN_BY = frozenset({"Datastore.AllocateSpace", "Datastore.Audit", "SDN.Use"})


def needs(
    catalog: Mapping[int, Declaration],
    absent_os_templates: Iterable[str] = (),
    rebuilt: Iterable[tuple[Declaration, Declaration]] = (),
    copies: Iterable[Declaration] = (),
) -> frozenset[Need]:
    """Tell all that this catalog needs. OS templates that are absent have to be downloaded.

    `rebuilt` are the templates and `copies` of them, each with what it is built as at its scratch CTID.
    """
    copied = list(copies)
    found = {need for one in (*catalog.values(), *copied) for need in _of_one(one, catalog)}
    found |= {Need(guest(one.ctid), "VM.Clone", or_on=pool_path(one)) for one in copied}
    found |= {need for template, scratch in rebuilt for need in of_rebuild(template, scratch)}
    absent = frozenset(absent_os_templates)
    storages = {volume.partition(":")[0] for volume in absent}
    found |= {Need(f"/storage/{storage}", "Datastore.AllocateTemplate") for storage in storages}
    fetched = (one for one in catalog.values() if one.download is not None and one.os_template in absent)
    found |= {Need(path, "Sys.AccessNetwork") for one in fetched for path in _nodes(one)}
    return frozenset(found)


def _of_one(declaration: Declaration, catalog: Mapping[int, Declaration]) -> Iterator[Need]:
    yield from on_guest(declaration)
    if declaration.clone_from is not None:
        template = catalog.get(declaration.clone_from)
        pool = None if template is None else pool_path(template)
        yield Need(guest(declaration.clone_from), "VM.Clone", or_on=pool)
    if declaration.pool is not None:
        for privilege in ("Pool.Allocate", "Pool.Audit", "VM.Allocate"):
            yield Need(f"/pool/{declaration.pool}", privilege)
    for path in _nodes(declaration):
        yield Need(path, "Sys.Audit")
    for storage in storages_of(declaration, catalog):
        yield Need(f"/storage/{storage}", "Datastore.AllocateSpace")
        yield Need(f"/storage/{storage}", "Datastore.Audit")
    if declaration.os_template is not None:
        yield Need(f"/storage/{declaration.os_template.partition(':')[0]}", "Datastore.Audit")
    for network in declaration.networks:
        vlans = network.trunks if network.vlan is None else (network.vlan, *network.trunks)
        for tag in [f"/{vlan}" for vlan in vlans] or [""]:
            yield Need(f"{_BRIDGES}{network.bridge}{tag}", "SDN.Use")


def without_vnets(wanted: Iterable[Need], vnets: Iterable[str]) -> frozenset[Need]:
    """Leave out what is asked for on the bridges of the nodes, of VNets that the token sees.

    Proxmox shows a VNet to who has SDN.Use or SDN.Audit on `/sdn/zones/ZONE/VNET`, and tells its zone to nobody else.
    """
    seen = frozenset(vnets)
    return frozenset(
        need for need in wanted if not (need.path.startswith(_BRIDGES) and need.path.split("/")[4] in seen)
    )


def _nodes(declaration: Declaration) -> list[str]:
    """Name the paths of the nodes that it may be on; the one above all of them where any will do."""
    several = (declaration.node,) if declaration.node else declaration.nodes
    return ["/nodes" if node == ANY_NODE else f"/nodes/{node}" for node in several]


def paths(wanted: Iterable[Need]) -> tuple[str, ...]:
    """Name the paths to ask about."""
    named = {path for need in wanted for path in need.paths}
    return tuple(sorted(named | {_top(need.path) for need in wanted}))


def unseen(wanted: Iterable[Need], held: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Name the storages and bridges that Proxmox leaves out of its lists, since the token lacks what shows them."""
    shown: dict[str, bool] = {}
    for need in wanted:
        if need.privilege in _SHOWN_BY:
            path = "/".join(need.path.split("/")[:5])
            shown[path] = shown.get(path, False) or need.met(held)
    return frozenset(path for path, it_is in shown.items() if not it_is)


def judge_privileges(
    wanted: frozenset[Need], held: Mapping[str, frozenset[str]], user: str, token: str
) -> Iterator[Line]:
    """Say what the token lacks; `held` has its privileges on each of the `paths`. `user` owns the token."""
    lacking = [need for need in wanted if not need.met(held)]
    if not lacking:
        yield fine(
            "Proxmox privileges", f"{token} has all {len({need.privilege for need in wanted})} required privileges"
        )
        return
    several = sorted(_together(lacking).items())
    lacks = "; ".join(f"{', '.join(privileges)} on {listed(those)}" for privileges, those in several)
    places = [
        place
        for privileges, those in several
        for place in _places(those, [need for need in wanted if need.privilege in privileges], held)
    ]
    below = {need.privilege for need in wanted if {need.path, need.or_on, _top(need.path)} & {*places}}
    whole = below if any(held.values()) else {need.privilege for need in wanted}
    missing = {need.privilege for need in lacking} if any(held.values()) else whole
    yield error(
        "Proxmox privileges",
        f"{token} lacks {lacks}",
        granting_role(ROLE, whole, missing, list(dict.fromkeys(places)), user, token),
    )


def judge_lasting(wanted: frozenset[Need], held: Mapping[str, frozenset[str]], user: str, token: str) -> Iterator[Line]:
    """Say which grants Proxmox deletes with a container, so that it cannot be made again."""
    lost = [need for need in wanted if need.of_guest and need.met(held) and not need.lasts(held)]
    if lost:
        guests = sorted({need.path for need in lost}, key=_natural)
        granted = tuple(sorted({need.privilege for need in lost}))
        yield warning(
            "Proxmox grants",
            f"Proxmox deletes those on {listed(guests)} with the container, and elsewhere {token} has no "
            f"{', '.join(granted)}: it cannot be made again, and no rebuild begins",
            granting_role(
                ROLE,
                {need.privilege for need in wanted if need.of_guest},
                granted,
                list(dict.fromkeys(_places(guests, lost, {}))),
                user,
                token,
            ),
        )


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


def _places(those: list[str], wanted: Iterable[Need], held: Mapping[str, frozenset[str]]) -> list[str]:
    """Name where to grant it: above, when all of a kind lack it, else on each.

    For guests it is their pool, or above: what is granted on a guest itself goes with it. Where something else is
    granted below that, it is there too: nothing from above holds there.
    """
    places: list[str] = []
    asked = list(wanted)
    for top in dict.fromkeys(map(_top, those)):
        mine = [path for path in those if _top(path) == top]
        if top == ALL_GUESTS:
            pools = {need.or_on for need in asked if need.path in mine}
            places += [top] if None in pools else sorted(str(pool) for pool in pools)
            places += [path for path in mine if not _from_above(path, held, [str(pool) for pool in pools])]
            continue
        every = {need.path for need in asked if _top(need.path) == top}
        for_all = len(mine) > 1 and len(mine) == len(every) and all(_from_above(path, held) for path in mine)
        places += [top] if for_all else mine
    return places


def _from_above(path: str, held: Mapping[str, frozenset[str]], pools: Iterable[str] = ()) -> bool:
    """Return whether what holds on a path is granted above it, or on its pool, as far as that is known."""
    top = _top(path)
    if path not in held or top not in held:
        return True
    return held[path] in (held[top], *(held[top] | held[pool] for pool in pools if pool in held))
