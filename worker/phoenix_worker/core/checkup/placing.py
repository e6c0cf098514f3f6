"""Whether what may be on several nodes finds one of them, by what the cluster has now."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from phoenix_worker.catalog.nodes import ANY_NODE
from phoenix_worker.catalog.placing_checks import unplaceable
from phoenix_worker.core.checkup.line import error, fine, guessed, listed, warning
from phoenix_worker.core.planned.candidates import Surroundings, candidates, wanted
from phoenix_worker.core.planned.placement import MAKE_ROOM, Refused, place
from phoenix_worker.core.planned.sources import Sources, listed_home

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.loading import Catalog
    from phoenix_worker.core.checkup.line import Line
    from phoenix_worker.core.model.cluster import ClusterView
    from phoenix_worker.core.planned.feasibility import Offer

_ELSEWHERE = "Provide it there, or name the other nodes in `node`."


class _Found(NamedTuple):
    """Where one stands, or every node that can take it."""

    able: tuple[str, ...]
    reasons: Mapping[str, str]
    """Why the others cannot."""
    lacking: Mapping[str, str]
    """What those lack that will not have it by itself."""


def judge_placing(
    catalog: Catalog,
    view: ClusterView,
    offers: Mapping[str, Offer],
    no_os_template: Mapping[tuple[str, str], str] = MappingProxyType({}),
    movable: Collection[tuple[int, str]] = frozenset(),
) -> Iterator[Line]:
    """Say which names are wrong, what no node can take, what some cannot, and which required groups have too few."""
    several = {ctid: one for ctid, one in catalog.items() if one.nodes}
    if not several:
        return
    yield from _strange_names(several, view)
    sources = Sources(catalog, view.guests, offers, lambda one: listed_home(one, view), no_os_template, movable)
    places = {ctid: _places(one, catalog, view, sources) for ctid, one in several.items()}
    refused = False
    for ctid, found in places.items():
        if not found.able:
            refused = True
            yield error(f"Placement of CT {ctid}", f"no node can take it: {_told(found.reasons)}", MAKE_ROOM)
    yield from _unsuitable(places)
    for line in _groups(several, places):
        refused = True
        yield line
    if not refused:
        yield fine("Placement", f"{len(several)} catalog entries may be on several nodes, and each finds one")


def _strange_names(several: Mapping[int, Declaration], view: ClusterView) -> Iterator[Line]:
    wanting: dict[str, list[int]] = {}
    for ctid, one in several.items():
        for node in one.nodes:
            if node not in view.nodes and node != ANY_NODE:
                wanting.setdefault(node, []).append(ctid)
    for node, ctids in sorted(wanting.items()):
        what = f"the cluster has none of this name; the catalog names it for {listed(ctids)}, among others"
        there = f"There are: {listed(sorted(view.nodes))}.{guessed(node, view.nodes)}"
        yield warning(f"Node {node}", what, f"Correct `node` in the catalog, or PHOENIX_NODE. {there}")


def _places(declaration: Declaration, catalog: Catalog, view: ClusterView, sources: Sources) -> _Found:
    stands = view.guests.get(declaration.ctid)
    if stands is not None:
        return _Found((stands.node,), {}, {})
    what = wanted(declaration, catalog)
    around = Surroundings(sources.offers, {}, frozenset(), {}, lambda node: sources.on(declaration, node))
    able, reasons, lacking = list[str](), dict[str, str](), dict[str, str]()
    for candidate in candidates(declaration, what, view, (), around, catalog):
        answer = place(what, [candidate], ())
        if isinstance(answer, Refused):
            reasons[candidate.name] = answer.reasons[candidate.name]
        else:
            able.append(candidate.name)
        if candidate.objection and candidate.state.online and not candidate.state.maintenance:
            lacking[candidate.name] = candidate.objection
    return _Found(tuple(able), reasons, lacking)


def _unsuitable(places: Mapping[int, _Found]) -> Iterator[Line]:
    """Say on which of their nodes nothing will ever be placed as these are now, where others can take it."""
    lacking: dict[tuple[str, str], list[int]] = {}
    for ctid, found in places.items():
        for node, why in found.lacking.items() if found.able else ():
            lacking.setdefault((node, why), []).append(ctid)
    for (node, why), ctids in sorted(lacking.items()):
        yield warning(f"Placement on {node}", f"CT {listed(ctids)} cannot be placed there: {why}", _ELSEWHERE)


def _groups(several: Mapping[int, Declaration], places: Mapping[int, _Found]) -> Iterator[Line]:
    groups: dict[str, dict[int, tuple[str, ...]]] = {}
    for ctid, one in several.items():
        if one.spread is not None and one.spread.required and places[ctid].able:
            groups.setdefault(one.spread.name, {})[ctid] = places[ctid].able
    for group, members in groups.items():
        left = unplaceable(members)
        if left is not None:
            nodes = sorted({node for able in members.values() for node in able})
            lacking = {node: why for ctid in members for node, why in places[ctid].reasons.items()}
            more = f"; {_told(lacking)}" if lacking else ""
            what = f"it is required, and CT {left} finds no node: CT {listed([*members])} have {listed(nodes)}{more}"
            yield error(f"Spread {group}", what, 'Add nodes, or leave out "require" of spread.')


def _told(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"{node}: {why}" for node, why in sorted(reasons.items())) or "none of those named is there"
