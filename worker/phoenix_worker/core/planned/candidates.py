"""What there is to place, and what each node has for it: the input of `place`, from what was seen and is declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phoenix_worker.core.differs.diff import DEFAULT_ROOT_GB, DEFAULT_STORAGE
from phoenix_worker.core.planned.feasibility import objection
from phoenix_worker.core.planned.placement import Candidate, Reservation, Wanted
from phoenix_worker.core.planned.sources import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.loading import Catalog
    from phoenix_worker.core.model.cluster import ClusterView
    from phoenix_worker.core.planned.feasibility import Offer

_MIB, _GIB = 1 << 20, 1 << 30
_RUNS = {"x86_64": {"amd64", "i386"}, "aarch64": {"arm64", "armhf"}, "riscv64": {"riscv32", "riscv64"}}
"""Which architectures of containers a machine runs."""
_DEFAULT_MEMORY = 512 * _MIB
"""Proxmox's own, where nothing declares it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a node is judged by besides its figures."""

    offers: Mapping[str, Offer]
    """By node; a node that was not asked has none."""
    unreachable: Mapping[str, str]
    """Why a node could not be asked."""
    drained: frozenset[str]
    machines: Mapping[str, str]
    """What the CPUs of a node are, where that matters and is known."""
    source_on: Callable[[str], Source]
    """What it would be cloned from on a node."""


def wanted(declaration: Declaration, catalog: Catalog) -> Wanted:
    """Say what a container takes. A template takes memory only while it runs for its scripts."""
    group, chain = declaration.spread, catalog.above(declaration)
    never_runs = declaration.is_template and not declaration.scripts
    return Wanted(
        ctid=declaration.ctid,
        nodes=declaration.nodes,
        memory=0 if never_runs else memory_of((declaration, *chain)),
        disks=_disks(declaration, chain),
        group=group.name if group else "",
        mates=catalog.mates(declaration),
        apart=group is not None and group.required,
        arch=next((value for key, value in (chain or (declaration,))[-1].at_creation if key == "arch"), ""),
    )


def memory_of(chain: Iterable[Declaration]) -> int:
    """Return the memory of the first that declares it, in bytes."""
    return next((one.memory_mb * _MIB for one in chain if one.memory_mb is not None), _DEFAULT_MEMORY)


def _disks(declaration: Declaration, chain: Sequence[Declaration]) -> dict[str, int]:
    """Return what is put on each storage. A linked clone shares its template's blocks and takes nothing at first.

    What is created goes by Proxmox's defaults; a clone of what declares no storage goes wherever that lies.
    """
    disks: dict[str, int] = {}
    sized = (declaration, *chain)
    storage, size = (DEFAULT_STORAGE, DEFAULT_ROOT_GB) if declaration.clone_from is None else (None, 0)
    placed = next((one.storage for one in sized if one.storage is not None), storage)
    if placed is not None and declaration.full_clone:
        disks[placed] = next((one.disk_gb for one in sized if one.disk_gb is not None), size) * _GIB
    for volume in declaration.volumes:
        disks[volume.storage] = disks.get(volume.storage, 0) + int(volume.size_gb * _GIB)
    return disks


def candidates(
    declaration: Declaration,
    what: Wanted,
    view: ClusterView,
    reservations: Sequence[Reservation],
    around: Surroundings,
    catalog: Catalog,
) -> list[Candidate]:
    """Say of each node that is allowed what `place` has to know."""
    reserved = {one.ctid for one in reservations}
    promised, counts = dict(view.promised), dict(view.counts)
    for ctid in reserved & view.guests.keys():
        promised[view.guests[ctid].node] -= view.guests[ctid].memory
        counts[view.guests[ctid].node] -= 1
    for guest in view.without_figures:
        declared = catalog.get(guest.ctid)
        if declared is not None and not declared.is_template and guest.ctid not in reserved:
            promised[guest.node] = promised.get(guest.node, 0) + memory_of((declared, *catalog.above(declared)))
    mates: dict[str, set[int]] = {}
    for ctid in what.mates & view.guests.keys():
        mates.setdefault(view.guests[ctid].node, set()).add(ctid)
    found = []
    for name, state in view.nodes.items():
        if not declaration.may_be_on(name):
            continue
        source = around.source_on(name) if name in around.offers else Source()
        candidate = Candidate(
            state,
            promised=promised.get(name, 0),
            count=counts.get(name, 0),
            mates=frozenset(mates.get(name, ())),
            drained=name in around.drained,
            silent=around.unreachable.get(name, ""),
            objection=_objection(declaration, what, name, view, around, source),
            shared=_shared(around.offers.get(name)),
            copied=len(source.copied),
            copies=_copies(source, catalog),
        )
        found.append(candidate)
    return found


def _copies(source: Source, catalog: Catalog) -> dict[str, int]:
    """Return what the copies that are made first put on each storage."""
    disks: dict[str, int] = {}
    for copy in source.copied:
        for storage, size in _disks(copy, catalog.above(copy)).items():
            disks[storage] = disks.get(storage, 0) + size
    return disks


def _objection(
    declaration: Declaration, what: Wanted, node: str, view: ClusterView, around: Surroundings, source: Source
) -> str:
    offer = around.offers.get(node)
    if offer is None:
        return ""
    if why := objection(declaration.standing_on(node), source.origin, offer) or source.objection:
        return why
    machine, arch = around.machines.get(node, ""), what.arch
    if machine in _RUNS and arch and arch not in _RUNS[machine]:
        return f"its CPUs are {machine}, and the container is {arch}"
    known = offer.storages or {}
    away = next((one for one in what.disks if one in known and one not in view.nodes[node].storages), None)
    return f"storage {away} is not available there" if away else ""


def _shared(offer: Offer | None) -> frozenset[str]:
    storages = (offer.storages if offer else None) or {}
    return frozenset(name for name, one in storages.items() if one.shared)


def reservation(value: Mapping[str, Any]) -> Reservation | None:
    """Read a reservation as the ledger has it; None for what others wrote there."""
    try:
        disks = {str(storage): int(size) for storage, size in dict(value["disks"]).items()}
        read = Reservation(int(value["ctid"]), str(value["node"]), int(value["memory"]), disks)
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return None
    return read if min(read.memory, *disks.values(), 0) == 0 else None


def to_reserve(what: Wanted, node: str, at: float) -> dict[str, Any]:
    """Write a reservation as the ledger has it, `at` seconds since the epoch."""
    size = sum(what.disks.values())
    return {"ctid": what.ctid, "node": node, "memory": what.memory, "disk": size, "disks": dict(what.disks), "at": at}
