"""Copies of templates: the same declaration at another CTID, on another node or as one more lane on the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_producer.ctids import parse_ctid
from phoenix_worker.catalog.findings import Advice, Refusal
from phoenix_worker.catalog.refusals import templates
from phoenix_worker.catalog.resolve import copy_of, scratch_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.entry import ParsedEntry


def copy_named(
    declarations: Mapping[int, Declaration], ctid: int, pin: str, copies: range | None, scratch: range | None
) -> Declaration | None:
    """Return the copy that a step names by its CTID and `Declaration.pin`, or what one is rebuilt as; None if another.

    An entry of the catalog is named by its hash alone. Steps are kept in Redis, so whatever one names is held to the
    CTIDs of the settings.
    """
    hash_, _, place = pin.partition("@")
    of, _, node = place.partition(".")
    template = declarations.get(parse_ctid(of) or 0) if node else None
    if template is None:
        return None
    copy = copy_of(template, ctid, node)
    stands = [copy] if copies is not None and ctid in copies else []
    rebuilt = [scratch_of(copy, range(ctid, ctid + 1))] if scratch is not None and ctid in scratch else []
    return next((one for one in (*stands, *rebuilt) if one.hash == hash_), None)


def refuse_copy_ctids(ctids: Iterable[int], copies: range | None) -> Iterator[Refusal]:
    """Refuse declared CTIDs that are those of copies."""
    for ctid in ctids:
        if copies is not None and ctid in copies:
            problem = f"{ctid} is one of the CTIDs of template copies ({copies[0]}-{copies[-1]})."
            yield Refusal(ctid, problem, "Choose another CTID, or other PHOENIX_COPY_CTIDS.")


def advise_lanes(entries: Mapping[int, ParsedEntry], copies: range | None) -> Iterator[Advice]:
    """Point out lanes that nobody uses, and those for which there are no CTIDs."""
    cloned = templates(entries)
    for ctid, parsed in entries.items():
        if parsed.entry.lanes > 1 and ctid not in cloned:
            yield Advice(ctid, "lanes has no effect: it is not a template.", "Remove lanes.")
        elif parsed.entry.lanes > 1 and copies is None:
            problem = "lanes has no effect where the workers have no PHOENIX_COPY_CTIDS."
            yield Advice(ctid, problem, "Set them to CTIDs that nothing else uses, such as 9100-9199.")
