"""Copies of templates that have lost their marker: they are adopted with their template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from phoenix_worker.actions.standing_copies import everything_there, not_looked_at
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.planned.adopting import lost_copies, not_adopted

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


class ToAdopt(NamedTuple):
    """What is to be adopted with a template."""

    copies: tuple[Declaration, ...] = ()
    lines: tuple[str, ...] = ()
    """Of a plan, for people."""
    told: tuple[str, ...] = ()
    """Why others are left as they are."""


def copies_to_adopt(task: PhoenixTask, template: Declaration) -> ToAdopt:
    """Look for copies of a template that have no marker, once for this task. A container has none."""
    catalog = task.catalog.current()
    if not template.is_template or catalog.copy_ctids is None:
        return ToAdopt()

    def look_for_them() -> dict[str, Any]:
        there = everything_there(task.proxmox, catalog.copy_ctids)
        lost = lost_copies(template, there.seen, catalog)
        named = [(seen.ctid, seen.node) for _, seen in lost.fitting]
        told = (*lost.told, *not_looked_at(template, there.unseen))
        return {"copies": named, "lines": tuple(lost.lines()), "told": told}

    found = task.read("lost-copies", look_for_them)
    copies = tuple(catalog.copy(template.ctid, ctid, node) for ctid, node in found["copies"])
    return ToAdopt(copies, tuple(found["lines"]), tuple(found["told"]))


def refuse_other(copy: Declaration, seen: Observation) -> None:
    """Raise PermanentError for what was to be adopted as a copy and is another one by now."""
    if not seen.is_ours and (why := not_adopted(copy, seen)):
        raise PermanentError(
            f"Unable to adopt CT {copy.ctid} on {copy.node} as a copy of template {copy.copy_of}: it {why}.",
            cause="copy-taken",
            remedy="See what it is in Proxmox, and send the request again.",
        )
