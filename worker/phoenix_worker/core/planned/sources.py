"""From what a container would be cloned on each node: its template, or a copy of it, which may be made there first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from phoenix_worker.core.planned.copies import numbers
from phoenix_worker.core.planned.feasibility import Offer, Origin, is_reachable, objection

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.loading import Catalog
    from phoenix_worker.core.model.cluster import ClusterView, GuestPlace

_UNKNOWN = Offer()


class Source(NamedTuple):
    """What a node has to clone from, or will have."""

    origin: Origin | None = None
    """None for what is not cloned."""
    objection: str = ""
    """Why its template cannot be copied there, or its OS template is not to be had."""
    copied: tuple[Declaration, ...] = ()
    """The copies that are made there first."""


def listed_home(template: Declaration, view: ClusterView) -> str:
    """Return the node on which the cluster lists a template, or else the declared one."""
    stands = view.guests.get(template.ctid)
    return template.node if stands is None else stands.node


@dataclass(frozen=True)
class Sources:
    """Tells what serves a node, by the catalog and one look at the cluster.

    Which copies stand there is known by their names, as the cluster lists them. That lags, and proves nothing: it
    ranks a node, and it speaks against one only where there are no CTIDs left. Whoever clones looks at the markers.
    """

    catalog: Catalog
    guests: Mapping[int, GuestPlace]
    offers: Mapping[str, Offer]
    """By node; nothing is known of one that was not asked."""
    home_of: Callable[[Declaration], str]
    """Where a template is or will be; nothing while that is to be chosen."""
    no_os_template: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Why a node cannot have an OS template that something would be created from there, by both."""
    movable: Collection[tuple[int, str]] = frozenset()
    """Copies that are migrated to a node where they cannot be created, each by its template and the node."""
    promised: frozenset[tuple[int, str]] = frozenset()
    """The copies that others will make, each by its template and its node."""

    def on(self, clone: Declaration, node: str) -> Source:
        """Tell what a container would be cloned from on a node."""
        found = self._source(clone, node)
        if found.objection or not found.copied:
            return found
        needed = {(one.copy_of or 0, node) for one in found.copied}
        missing = sum(not self._may_come(one) for one in found.copied)
        ctids = self.catalog.copy_ctids or range(0)
        free = len(ctids) - len(self._taken) - len(self.promised - needed)
        if missing <= max(free, 0):
            return found
        of = found.copied[-1].copy_of
        return found._replace(
            objection=f"no copy of template {of} can be made there: no CTID of PHOENIX_COPY_CTIDS "
            f"({ctids[0]}-{ctids[-1]}) is left"
        )

    def promising(self, placed: Iterable[tuple[int, str]]) -> Sources:
        """Return the same with the copies that others will make, who are placed already: each a CTID and its node."""
        known = ((self.catalog.get(ctid), node) for ctid, node in placed)
        by_template = {(one.clone_from, node): one for one, node in known if one is not None}
        promised = (
            (copy.copy_of or 0, node)
            for (_, node), one in by_template.items()
            for copy in self._source(one, node).copied
        )
        return replace(self, promised=frozenset(promised))

    def _source(self, clone: Declaration, node: str) -> Source:
        if clone.clone_from is None:
            return Source(objection=self.no_os_template.get((node, clone.os_template or ""), ""))
        template, offer = self.catalog[clone.clone_from], self.offers.get(node, _UNKNOWN)
        chain = (template, *self.catalog.above(template))
        lies = replace(Origin.declared(chain), node=self.home_of(template))
        ctids = self.catalog.copy_ctids
        if lies.node == node or ctids is None or is_reachable(clone.standing_on(node), lies, offer):
            return Source(lies)
        copy = self.catalog.copy(template.ctid, next(numbers(template.ctid, node, ctids)), node)
        there = replace(lies, ctid=copy.ctid, node=node)
        if self._stands(template, node):
            return Source(there)
        below = Source() if (template.ctid, node) in self.movable else self._source(copy, node)
        if copy.clone_from is not None and below.objection:
            return below
        why = objection(copy, below.origin, offer) or below.objection
        told = f"no copy of template {template.ctid} can be made there: {why}" if why else ""
        return Source(there, told, (*below.copied, copy))

    def _stands(self, template: Declaration, node: str) -> bool:
        """Return whether something there may be a copy; what was just made has no name in the list yet."""
        return any(one.node == node and not one.is_vm and one.name in {"", template.name} for one in self._taken)

    def _may_come(self, copy: Declaration) -> bool:
        """Return whether this very copy may stand beside its template, from where it is migrated: it has its CTID."""
        home = self.home_of(self.catalog[copy.copy_of or copy.ctid])
        beside = (one for one in self._taken if one.node == home and not (one.is_vm or one.is_template))
        return any(one.name in {"", copy.name} for one in beside)

    @cached_property
    def _taken(self) -> list[GuestPlace]:
        """What stands at the CTIDs of copies, in one pass: their range may be larger than the cluster."""
        ctids = self.catalog.copy_ctids or range(0)
        return [one for ctid, one in self.guests.items() if ctid in ctids]
