"""See that the datacenter has what a container refers to by name, before it is made or changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.firewall import TagRules
from phoenix_worker.core.planned.datacenter import (
    Datacenter,
    forbidden_tags,
    lacking_names,
    name_missing,
    tag_refused,
)
from phoenix_worker.proxmox.error_table import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation

_NOTHING = Datacenter(TagRules(free=False), frozenset(), frozenset())
"""A datacenter that has none of it."""


def name_problem(
    task: PhoenixTask,
    declaration: Declaration,
    seen: Observation | None = None,
    *,
    template: Observation | None = None,
) -> PermanentError | None:
    """Say which tag may not be set, or what its firewall names that there is none of; None when nothing is known.

    `seen` is what stands there; None where it is to be made. A clone has the tags of its `template`, if that is known.
    Nothing is asked when nothing of the kind is to change, and otherwise once a minute.
    """
    tagged = template if seen is None else seen
    if next(_problems(task, declaration, _NOTHING, seen, tagged, asking=False), None) is None:
        return None
    known = task.offering.datacenter(firewall=declaration.firewall is not None)
    return next(_problems(task, declaration, known, seen, tagged), None)


def refuse_unknown_names(task: PhoenixTask, declaration: Declaration, template: Observation | None = None) -> None:
    """Raise PermanentError for what is to be made and refers to what the datacenter has not.

    `template` is what would be cloned for it; None where it is created, or that is not known.
    """
    if name_problem(task, declaration, template=template) is None:
        return
    task.offering.forget()
    if (problem := name_problem(task, declaration, template=template)) is not None:
        raise problem


def _problems(
    task: PhoenixTask,
    declaration: Declaration,
    known: Datacenter,
    seen: Observation | None,
    tagged: Observation | None,
    *,
    asking: bool = True,
) -> Iterator[PermanentError]:
    yield from (tag_refused(declaration, tag) for tag in forbidden_tags(declaration, known.tags, tagged))
    present = seen.firewall.rules if seen is not None and seen.firewall is not None else ()
    for one in lacking_names(declaration, known, present):
        own = () if one.only_there or not asking else _own_names(task, declaration, seen)
        if own is not None and one.own not in own:
            yield name_missing(declaration, one)


def _own_names(task: PhoenixTask, declaration: Declaration, seen: Observation | None) -> frozenset[str] | None:
    """Return the names of its own firewall, or of those that it is cloned from; None where they cannot be read."""
    above = task.catalog.current().above(declaration)
    places = [(one.node, one.ctid) for one in above if one.node] if seen is None else [(seen.node, seen.ctid)]
    found = frozenset[str]()
    for node, ctid in places:
        try:
            found |= task.proxmox.firewall_names(node, ctid)
        except PermanentError as error:
            if error.cause != MISSING:
                return None
    return found
