"""Which template serves a node: that of the catalog, or a copy of it that stands there or can be made there."""

from __future__ import annotations

from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.planned.feasibility import Origin, is_reachable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.loading import Catalog
    from phoenix_worker.core.planned.feasibility import Offer

NO_COPY_CTID = "no-copy-ctid"
"""The cause where there is no CTID for a copy."""
_FOUND_OUT = frozenset({None, "dhcp", "auto", "manual"})
"""What is declared in the place of an address that nobody else has."""


def numbers(template: int, node: str, ctids: range) -> Iterator[int]:
    """Name the CTIDs at which a template is copied to a node, each time in the same order: the first that is free."""
    first = int.from_bytes(sha256(f"{template}@{node}".encode()).digest()[:8], "big")
    return (ctids[(first + step) % len(ctids)] for step in range(len(ctids)))


def free_numbers(
    template: int, node: str, ctids: range, taken: Collection[int], count: int, unseen: Collection[int] = ()
) -> tuple[int, ...]:
    """Choose CTIDs for copies that are to be made. Raises PermanentError where there are none left.

    `unseen` are those taken by what the token may not see.
    """
    found = tuple(ctid for ctid in numbers(template, node, ctids) if ctid not in taken)[:count]
    if len(found) < count:
        hidden = ", ".join(map(str, sorted(unseen)))
        told = f" Guests that the API token may not see have {hidden}." if hidden else ""
        raise PermanentError(
            f"Unable to copy template {template} to {node}: all CTIDs of PHOENIX_COPY_CTIDS "
            f"({ctids[0]}-{ctids[-1]}) are taken.{told}",
            cause=NO_COPY_CTID,
            remedy="Set PHOENIX_COPY_CTIDS of the workers to more CTIDs that nothing else uses.",
        )
    return found


def serving(clone: Declaration, catalog: Catalog, offer: Offer) -> Declaration | None:
    """Return what a container would be cloned from on its node, by what is declared; None where nothing serves it.

    That is its template, or the copy that would be made of it first. `offer` is that of the node.
    """
    template = catalog[clone.clone_from or 0]
    if template.node == clone.node:
        return template
    above = [template, *catalog.above(template)]
    if is_reachable(clone, Origin.declared(above), offer):
        return template
    if catalog.copy_ctids is None:
        return None
    return catalog.copy(template.ctid, next(numbers(template.ctid, clone.node, catalog.copy_ctids)), clone.node)


def runs_with_a_fixed_address(template: Declaration) -> bool:
    """Return whether a template is started for its scripts with an address that its copies have too."""
    fixed = (part for one in template.networks for part in (one.ip, one.ip6, one.mac) if part not in _FOUND_OUT)
    return template.is_template and bool(template.scripts) and (template.mac is not None or any(fixed))


def made_from(declaration: Declaration, catalog: Catalog, offer: Callable[[str], Offer]) -> list[Declaration]:
    """Return a declaration and what it is made from, nearest first, each as it serves the node of the one before.

    What has no node yet is placed where its template serves it.
    """
    chain = [declaration]
    while chain[-1].clone_from is not None:
        last, template = chain[-1], catalog[chain[-1].clone_from]
        chain.append((last.node and serving(last, catalog, offer(last.node))) or template)
    return chain


def foreseen(
    catalog: Catalog, nodes: Iterable[str], offer: Callable[[str], Offer], *, declared_there: bool = False
) -> list[Declaration]:
    """Return the copies that clones on these nodes will be made from, by what is declared and the nodes have.

    Those that are `declared_there` will surely be made on that node; others may be placed on it.
    """
    found: dict[tuple[int, int, str], Declaration] = {}
    for clone, node in _clones(catalog, nodes, declared_there=declared_there):
        for source in made_from(clone.standing_on(node), catalog, offer)[1:]:
            template = catalog[source.copy_of or source.ctid]
            for ctid in _lanes(template, source, catalog.copy_ctids or range(0)):
                found[ctid, template.ctid, source.node] = catalog.copy(template.ctid, ctid, source.node)
    return [found[key] for key in sorted(found)]


def _clones(catalog: Catalog, nodes: Iterable[str], *, declared_there: bool) -> Iterator[tuple[Declaration, str]]:
    clones = [one for one in catalog.values() if one.clone_from is not None and (one.node or not declared_there)]
    return ((one, node) for node in nodes for one in clones if one.node == node or one.may_be_on(node))


def _lanes(template: Declaration, source: Declaration, ctids: range) -> Iterator[int]:
    """Name the CTIDs of all copies beside which a source is cloned, itself included where it is one."""
    if not ctids or not source.node:
        return iter(())
    return islice(numbers(template.ctid, source.node, ctids), template.lanes - (source.copy_of is None))
