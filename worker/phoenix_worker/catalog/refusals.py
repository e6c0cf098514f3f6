"""What is refused about entries taken together. Pure functions over parsed entries.

An entry with wrong keys takes part with its right ones, so a file's refusals come out all at once; a check that needs
a key which was refused already says nothing.
"""

from __future__ import annotations

import graphlib
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog.findings import Advice, Refusal, plain, shown
from phoenix_worker.catalog.interfaces import interfaces, macs, static_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phoenix_worker.catalog.entry import ParsedEntry

    Entries = Mapping[int, ParsedEntry]

_BECOMES_CLONE = {"template_file", "clone_from_template_ctid"}
_MIGRATE = "Run: phoenix-lxc migrate FILE --write"


def templates(entries: Entries) -> frozenset[int]:
    """CTIDs that others are cloned from, or that say so themselves."""
    sources = {parsed.entry.clone_from_ctid for parsed in entries.values()}
    return frozenset(ctid for ctid, parsed in entries.items() if ctid in sources or parsed.entry.is_template)


def template_chain(entries: Entries, ctid: int) -> tuple[int, ...]:
    """Name the templates that a CTID is made from, nearest first; ends where the catalog or a cycle does."""
    chain: dict[int, None] = {}
    source = entries[ctid].entry.clone_from_ctid
    while source is not None and source in entries and source not in chain:
        chain[source] = None
        source = entries[source].entry.clone_from_ctid
    return tuple(chain)


def refuse_together(entries: Entries) -> Iterator[Refusal]:
    """Refuse what only shows when entries are taken together."""
    for check in (
        _origins,
        _cycles,
        _template_dependencies,
        _shrinking,
        _shrinking_volumes,
        _other_privileges,
        _templates_with_bind_mounts,
        _duplicate_macs,
        _duplicate_addresses,
        _inherited_addresses,
    ):
        yield from check(entries)


def refuse_old_sections(content: Mapping[str, Any], entries: Entries) -> Iterator[Refusal]:
    """Refuse what a file older than native templates still has."""
    if "lxc_templates" in content:
        yield Refusal(None, "The section lxc_templates belongs to an older format.", f"{_MIGRATE}.")
    for ctid, parsed in entries.items():
        for key in sorted(parsed.raw.keys() & _BECOMES_CLONE):
            yield Refusal(ctid, f"{key} belongs to an older format.", f"{_MIGRATE}.")


def advise_old_keys(entries: Entries) -> Iterator[Advice]:
    """Point out what is left over from an older format and does no harm."""
    for ctid, parsed in entries.items():
        if "template_snapshot_name" in parsed.raw:
            yield Advice(
                ctid, "template_snapshot_name has no effect: native templates need no snapshot.", f"{_MIGRATE}."
            )


def advise_linked_clones(entries: Entries) -> Iterator[Advice]:
    """Point out storages that have no effect, because a linked clone stays where its template is."""
    for ctid, parsed in entries.items():
        pool, chain = parsed.entry.storage_pool, template_chain(entries, ctid)
        where = entries[chain[0]].entry.storage_pool if chain else None
        if parsed.entry.clone == "linked" and pool is not None and where is not None and pool != where:
            there = plain(where)
            problem = f"storage_pool {plain(pool)} has no effect: a linked clone stays on {there}, with its template "
            yield Advice(ctid, f"{problem}{chain[0]}.", f'Declare {there}, or "clone": "full".')


def _origin(entries: Entries, ctid: int, source: int | None) -> str:
    """Name the template that a value comes from; the file says so only of the nearest one."""
    nearest = entries[ctid].entry.clone_from_ctid
    return f"its template {source}" if source == nearest else f"{source}, which its template {nearest} is made from"


def _origins(entries: Entries) -> Iterator[Refusal]:
    sources = ", ".join(map(str, sorted(templates(entries))))
    otherwise = f"name one of {sources}" if sources else "declare template in its place"
    for ctid, parsed in entries.items():
        source = parsed.entry.clone_from_ctid
        if source is not None and source not in entries:
            remedy = f"Declare {source}, or {otherwise}."
            yield Refusal(ctid, f"clone_from_ctid {source} is not in the catalog.", remedy)
        elif not any(map(parsed.declares, ("clone_from_ctid", "template"))) and not _tells_its_origin(parsed):
            problem = "It has neither template nor clone_from_ctid, so there is nothing to create it from."
            yield Refusal(ctid, problem, "Declare one of the two.")


def _tells_its_origin(parsed: ParsedEntry) -> bool:
    """Return whether it says so in a way that is refused with what to write."""
    return bool(parsed.raw.keys() & {*_BECOMES_CLONE, "ostemplate"}) or "clone" in parsed.broken


def _needs(entries: Entries, ctid: int) -> list[int]:
    entry = entries[ctid].entry
    return [need for need in (entry.clone_from_ctid, *entry.dependencies) if need is not None and need in entries]


def _cycles(entries: Entries) -> Iterator[Refusal]:
    graph = {ctid: _needs(entries, ctid) for ctid in sorted(entries)}
    while (cycle := _find_cycle(graph)) is not None:
        path = " → ".join(map(str, (*cycle, cycle[0])))
        remedy = "Remove one clone_from_ctid or dependency from this circle."
        yield Refusal(cycle[0], f"Circular dependency: {path}.", remedy)
        for ctid, need in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
            graph[ctid] = [other for other in graph[ctid] if other != need]


def _find_cycle(graph: Mapping[int, list[int]]) -> list[int] | None:
    """Return one cycle, each followed by what it needs, beginning with the smallest CTID."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        needed_first: list[int] = error.args[1][1:]
        cycle = needed_first[::-1]
        first = cycle.index(min(cycle))
        return cycle[first:] + cycle[:first]
    return None


def _template_dependencies(entries: Entries) -> Iterator[Refusal]:
    made = templates(entries)
    for ctid, parsed in entries.items():
        for need in dict.fromkeys(parsed.entry.dependencies):
            if need in made:
                problem = f"It depends on {need}, which is a template and never runs."
                yield Refusal(ctid, problem, f"Remove {need} from dependencies.")


def _shrinking(entries: Entries) -> Iterator[Refusal]:
    for ctid, parsed in entries.items():
        size = parsed.entry.storage_size_gb
        sizes = ((source, entries[source].entry.storage_size_gb) for source in template_chain(entries, ctid))
        source, least = next(((source, known) for source, known in sizes if known is not None), (None, 0))
        if size is not None and size < least:
            where = _origin(entries, ctid, source)
            problem = f"storage_size_gb {size} is less than the {least} GB of {where}; disks only grow."
            yield Refusal(ctid, problem, f"Declare at least {least}.")


def _shrinking_volumes(entries: Entries) -> Iterator[Refusal]:
    for ctid, parsed in entries.items():
        inherited: dict[str, tuple[int, float]] = {}
        for source in template_chain(entries, ctid):
            for volume in entries[source].entry.all_volumes:
                inherited.setdefault(volume.mount_point, (source, volume.gib))
        for volume in parsed.entry.all_volumes:
            source, least = inherited.get(volume.mount_point, (ctid, 0))
            if volume.gib < least:
                where = _origin(entries, ctid, source)
                problem = (
                    f"The volume {volume.mount_point} has {volume.gib:g} GB, less than the {least:g} GB of {where}."
                )
                yield Refusal(ctid, problem, f"Declare at least {least}; disks only grow.")


def _other_privileges(entries: Entries) -> Iterator[Refusal]:
    for ctid, parsed in entries.items():
        root = _known_root(entries, ctid)
        inherited = unprivileged(entries, ctid)
        if root is not None and parsed.entry.unprivileged is not None and parsed.entry.unprivileged is not inherited:
            default = " by default" if entries[root].entry.unprivileged is None else ""
            where = f"{shown(inherited)}{default} in {_origin(entries, ctid, root)}"
            problem = f"unprivileged is {shown(not inherited)}, but {where}."
            yield Refusal(ctid, problem, f"Remove it, or clone from a template where it is {shown(not inherited)}.")


def _known_root(entries: Entries, ctid: int) -> int | None:
    """Name the template at the end of the chain, if what it declares is known."""
    chain = template_chain(entries, ctid)
    root = entries[chain[-1]] if chain else None
    if root is None or root.entry.clone_from_ctid is not None or root.broken & {"clone_from_ctid", "unprivileged"}:
        return None
    return root.ctid


def unprivileged(entries: Entries, ctid: int) -> bool:
    """Return whether a container is unprivileged: as the root of its templates declares, true if that says nothing."""
    root = (ctid, *template_chain(entries, ctid))[-1]
    return entries[root].entry.unprivileged is not False


def _templates_with_bind_mounts(entries: Entries) -> Iterator[Refusal]:
    for ctid in sorted(templates(entries)):
        if (ha := entries[ctid].entry.ha) is not None and ha.enabled:
            yield Refusal(ctid, "It is a template with ha, and a template never runs.", "Remove ha.")
        if entries[ctid].declares("mount_points"):
            problem = "It is a template with mount_points, and Proxmox cannot clone a bind mount."
            yield Refusal(ctid, problem, "Move mount_points to the containers cloned from it.")


def _duplicate_macs(entries: Entries) -> Iterator[Refusal]:
    owners: dict[str, int] = {}
    for ctid, parsed in entries.items():
        for where, mac in macs(parsed.entry).items():
            if owners.setdefault(mac, ctid) != ctid:
                problem = f"{where} {mac} is also that of {owners[mac]}."
                yield Refusal(ctid, problem, "Give each its own, or remove it and let Proxmox choose.")


def _duplicate_addresses(entries: Entries) -> Iterator[Refusal]:
    owners: dict[str, int] = {}
    for ctid, parsed in entries.items():
        for address in (one for interface in interfaces(parsed.entry).values() for one in static_addresses(interface)):
            if owners.setdefault(address, ctid) != ctid:
                yield Refusal(ctid, f"The address {address} is also that of {owners[address]}.", "Give each its own.")


def _inherited_addresses(entries: Entries) -> Iterator[Refusal]:
    for ctid, parsed in entries.items():
        if _declares_network(parsed):
            continue
        chain = template_chain(entries, ctid)
        source = next((source for source in chain if _declares_network(entries[source])), None)
        for address in () if source is None else _first_addresses(entries, source):
            where = _origin(entries, ctid, source)
            problem = f"It has no network_config and would inherit the address {address} of {where}."
            yield Refusal(ctid, problem, "Declare network_config with an address of its own, or with dhcp.")


def _declares_network(parsed: ParsedEntry) -> bool:
    return parsed.declares("network_config") or parsed.declares("networks")


def _first_addresses(entries: Entries, ctid: int) -> list[str]:
    """List the fixed addresses of `net0`."""
    first = next(iter(interfaces(entries[ctid].entry).values()), None)
    return [] if first is None else static_addresses(first)
