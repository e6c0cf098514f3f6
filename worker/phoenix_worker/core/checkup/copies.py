"""The copies of templates that a catalog comes to: whether there are CTIDs for them, and how each comes to its node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.checkup.line import error, fine, listed, warning
from phoenix_worker.core.planned.moved_copies import lacking, linked, privileges, takes_long

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.loading import Catalog
    from phoenix_worker.core.checkup.line import Line
    from phoenix_worker.core.model.cluster import ClusterView

_ABOUT = "Template copies"
_OTHERS = "Set PHOENIX_COPY_CTIDS of the workers to CTIDs that nothing else uses."


def judge_copy_ctids(catalog: Catalog, sure: Sequence[Declaration], view: ClusterView) -> Iterator[Line]:
    """Say what else has the CTIDs of copies, and whether enough are left for those that will surely be made.

    What is a copy is guessed by its name, as the cluster lists it; workers look at the markers.
    """
    ctids = catalog.copy_ctids
    if ctids is None:
        return
    names = {one.name for one in catalog.values() if one.is_template}
    there = (one for ctid, one in sorted(view.guests.items()) if ctid in ctids)
    others = [one.ctid for one in there if one.is_vm or (one.name and one.name not in names)]
    range_, left = f"PHOENIX_COPY_CTIDS ({ctids[0]}-{ctids[-1]})", len(ctids) - len(others)
    taken = f"{listed(others)} of {range_} are other guests" if others else f"{range_} are {len(ctids)}"
    if len(sure) > left:
        yield error(_ABOUT, f"{len(sure)} are to be made, and there are CTIDs for {left}: {taken}", _OTHERS)
    elif others:
        yield warning(_ABOUT, f"{taken}, which are left alone and passed over", _OTHERS)
    else:
        yield fine(_ABOUT, f"{len(sure)} are to be made at CTIDs of {range_}, beside those that placement may need")


def copying_paths(copies: Iterable[Declaration]) -> frozenset[str]:
    """Name the paths to ask about."""
    needs = (need for copy in copies for need in privileges(copy))
    return frozenset(path for need in needs for path in need.paths)


def to_bring(copies: Iterable[Declaration], catalog: Mapping[int, Declaration]) -> list[Declaration]:
    """Return those that take long to build, on other nodes than their template."""
    return [one for one in copies if takes_long(one) and catalog[one.copy_of or one.ctid].node != one.node]


def judge_ways(copies: Iterable[Declaration], held: Mapping[str, frozenset[str]]) -> Iterator[Line]:
    """Say how each comes to its node, and why; `held` has the token's privileges on each of the `paths`."""
    for copy in copies:
        named = f"a copy of template {copy.copy_of} on {copy.node} is"
        why = linked(copy) or lacking(privileges(copy), held)
        if why:
            yield fine(_ABOUT, f"{named} built there by its scripts: {why}")
        else:
            yield fine(_ABOUT, f"{named} cloned from it and migrated there, where the storages allow it")
