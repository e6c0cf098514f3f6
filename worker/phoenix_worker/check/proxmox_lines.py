"""Read a Proxmox cluster, and say what is right and wrong with it for a catalog."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from phoenix_worker.check.brought import Brought, is_nowhere
from phoenix_worker.check.troubles import or_trouble
from phoenix_worker.core.allowed.versions import read_version
from phoenix_worker.core.checkup import cluster, ha_privileges, names, placing, privileges
from phoenix_worker.core.checkup.copies import copying_paths, judge_copy_ctids, judge_ways, to_bring
from phoenix_worker.core.checkup.line import fine, warning
from phoenix_worker.core.checkup.versions import judge_keys
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.os_templates import not_to_be_had
from phoenix_worker.core.planned.copies import foreseen
from phoenix_worker.proxmox.api import ProxmoxApi
from phoenix_worker.proxmox.error_table import PERMISSION
from phoenix_worker.proxmox.inspection import Inspection
from phoenix_worker.proxmox.offer_cache import Offering
from phoenix_worker.settings import access_of
from phoenix_worker.settings.values import named_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.loading import Catalog
    from phoenix_worker.core.allowed.grants import Need
    from phoenix_worker.core.checkup.line import Line
    from phoenix_worker.proxmox.connection import Access
    from phoenix_worker.settings import Settings


def proxmox_lines(settings: Settings, catalog: Catalog, copies: list[Declaration]) -> Iterator[Line]:
    """Say first whether it answers: without that, nothing else is asked. Fill in the `copies` that will be made."""
    access = access_of(settings)
    api = ProxmoxApi(access)
    inspection = Inspection(api)
    told = inspection.version()
    judged = cluster.judge_version(told)
    for one in access.each():
        yield from or_trouble("Proxmox", partial(_address, one))
    yield judged
    yield from judge_keys(catalog, read_version(told), has_shell=settings.shell is not None)
    yield from or_trouble("Proxmox quorum", partial(_quorum, inspection))
    sure: list[Declaration] = []
    brought = Brought(api, catalog)
    if catalog.copy_ctids is not None:
        yield from or_trouble("Template copies", partial(_foresee, api, inspection, catalog, copies, sure))
    yield from or_trouble("Proxmox nodes", partial(_nodes, settings, inspection, catalog, copies, sure, brought))
    yield from or_trouble("Datacenter", partial(_datacenter, api, catalog))
    if any(declaration.nodes for declaration in catalog.values()):
        yield from or_trouble("Placement", partial(_placing, api, catalog, brought))


def _address(access: Access) -> Iterator[Line]:
    """Each is asked by itself: a dead one would be noticed only when the others are."""
    Inspection(ProxmoxApi(access)).version()
    yield fine("Proxmox", f"{access.host} answers, its certificate is verified, the token is accepted")


def _quorum(inspection: Inspection) -> Iterator[Line]:
    try:
        yield cluster.judge_quorum(quorate=inspection.quorate())
    except PermanentError as refused:
        if refused.cause != PERMISSION:
            raise
        what = (
            "unknown: the token lacks a privilege, so workers delete and convert containers without checking it, "
            "unless they have VM.Migrate on them, on Proxmox VE 9"
        )
        yield warning("Proxmox quorum", what, refused.remedy)


def _foresee(
    api: ProxmoxApi,
    inspection: Inspection,
    catalog: Catalog,
    copies: list[Declaration],
    sure: list[Declaration],
) -> Iterator[Line]:
    """Fill in the copies that may be made, and those that will be. Say whether there are CTIDs for them."""
    offering, online = Offering(api), sorted(node for node, is_online in inspection.nodes().items() if is_online)
    copies += foreseen(catalog, online, offering.on)
    sure += foreseen(catalog, online, offering.on, declared_there=True)
    yield from judge_copy_ctids(catalog, sure, api.cluster())


def _nodes(
    settings: Settings,
    inspection: Inspection,
    catalog: Catalog,
    copies: Sequence[Declaration],
    sure: Sequence[Declaration],
    brought: Brought,
) -> Iterator[Line]:
    by_node: dict[str, dict[int, Declaration]] = {} if catalog else {node: {} for node in named_nodes(settings.node)}
    for ctid, declaration in catalog.items():
        if declaration.node:
            by_node.setdefault(declaration.node, {})[ctid] = declaration
    online = inspection.nodes()
    yield from cluster.judge_nodes({node: list(ctids) for node, ctids in by_node.items()}, online)
    wanted = privileges.needs(catalog, rebuilt=_rebuilt(catalog, copies), copies=copies)
    held: dict[str, frozenset[str]] = {}
    yield from or_trouble("Proxmox privileges", partial(_ask, inspection, wanted, held))
    unseen = privileges.unseen(wanted, held) if held else frozenset[str]()
    absent: set[str] = set()
    vnets: set[str] = set()
    for node in sorted(by_node):
        if online.get(node):
            made = by_node[node] | {one.ctid: one for one in sure if one.node == node and not brought.instead(one)}
            look = partial(_node, inspection, node, made, catalog, absent, vnets, unseen)
            yield from or_trouble(f"Node {node}", look)
    if held:
        wanted = privileges.needs(catalog, absent, _rebuilt(catalog, copies), copies)
        yield from _privileges(settings, privileges.without_vnets(wanted, vnets), held)
    coming = [*to_bring(copies, catalog), *filter(brought.instead, sure)]
    if coming:
        ways = {(one.ctid, one.copy_of, one.node): one for one in coming}
        yield from or_trouble("Template copies", partial(_ways, inspection, [*ways.values()]))
    if ctids := ha_privileges.declaring_ha(catalog):
        yield from or_trouble("Proxmox privileges for HA", partial(_ha, settings, inspection, ctids))


def _ways(inspection: Inspection, copies: Sequence[Declaration]) -> Iterator[Line]:
    yield from judge_ways(copies, {path: inspection.privileges(path) for path in copying_paths(copies)})


def _ha(settings: Settings, inspection: Inspection, ctids: list[int]) -> Iterator[Line]:
    user = settings.proxmox_user
    token = f"{user}!{settings.proxmox_token_name}"
    yield from ha_privileges.judge_ha(ctids, inspection.privileges("/"), user, token)


def _datacenter(api: ProxmoxApi, catalog: Catalog) -> Iterator[Line]:
    walled = any(one.firewall is not None for one in catalog.values())
    known = Offering(api).datacenter(firewall=walled)
    yield from names.judge_tags(catalog, known)
    yield from names.judge_firewall_names(catalog, known)
    yield from names.judge_replication(catalog, api.all_replication_jobs())


def _placing(api: ProxmoxApi, catalog: Catalog, brought: Brought) -> Iterator[Line]:
    view, offering = api.cluster(), Offering(api)
    online = [name for name, state in view.nodes.items() if state.online]
    offers = {name: offering.on(name) for name in online}
    created = {one.os_template for one in _created_from_here(catalog)}
    lacking = {
        (node, volume): not_to_be_had(volume)
        for node in online
        for volume in sorted(filter(None, created))
        if is_nowhere(api, offering, node, volume)
    }
    movable = {(one.copy_of or 0, one.node) for one in brought.among(lacking)}
    yield from placing.judge_placing(catalog, view, offers, lacking, movable)


def _created_from_here(catalog: Catalog) -> Iterator[Declaration]:
    """Name what is created for what may be on several nodes, from OS templates that are not fetched from elsewhere."""
    several = [one for one in catalog.values() if one.nodes]
    roots = {[one, *catalog.above(one)][-1].ctid for one in several}
    return (catalog[ctid] for ctid in sorted(roots) if catalog[ctid].download is None)


def _ask(inspection: Inspection, wanted: frozenset[Need], held: dict[str, frozenset[str]]) -> Iterator[Line]:
    """Fill in what the token may do; there is nothing to say of it yet."""
    held |= {path: inspection.privileges(path) for path in privileges.paths(wanted)}
    yield from ()


def _node(
    inspection: Inspection,
    node: str,
    declared: Mapping[int, Declaration],
    catalog: Catalog,
    absent: set[str],
    vnets: set[str],
    unseen: frozenset[str],
) -> Iterator[Line]:
    volumes = (declaration.os_template for declaration in declared.values())
    facts = inspection.node(node, sorted({volume.partition(":")[0] for volume in volumes if volume is not None}))
    vnets |= facts.vnets
    absent.update(cluster.absent_os_templates(facts, declared))
    yield from cluster.judge_node(facts, declared, catalog, unseen, inspection.containers())


def _privileges(settings: Settings, wanted: frozenset[Need], held: Mapping[str, frozenset[str]]) -> Iterator[Line]:
    user = settings.proxmox_user
    token = f"{user}!{settings.proxmox_token_name}"
    yield from privileges.judge_privileges(wanted, held, user, token)
    yield from privileges.judge_lasting(wanted, held, user, token)


def _rebuilt(catalog: Catalog, copies: Sequence[Declaration]) -> list[tuple[Declaration, Declaration]]:
    """Pair each template, and each copy, with what it is rebuilt as; none without scratch CTIDs."""
    templates = (*(one for one in catalog.values() if one.is_template), *copies)
    pairs = ((one, catalog.scratch_of(one)) for one in templates)
    return [(template, scratch) for template, scratch in pairs if scratch is not None]
