"""Refuse what the forced command on the node would refuse, before anything is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.model.observation import Presence
from phoenix_worker.core.planned.copies import serving
from phoenix_worker.core.planned.prediction import inherited, unmade
from phoenix_worker.proxmox.forced_command import disallowed, refusal

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


def refuse_disallowed_change(task: PhoenixTask, declaration: Declaration, expected: Observation) -> None:
    """Raise PermanentError for a container that is to become as declared, and looks as expected until then."""
    if task.shell is not None and (reasons := disallowed(task.shell, declaration, expected)):
        raise refusal(declaration, reasons)


def refuse_disallowed_making(task: PhoenixTask, declaration: Declaration) -> None:
    """Raise PermanentError, with all of it, for a container that is to be made and the templates on the way to it.

    By the catalog first. Only when that speaks against one is looked at what is there: of a template that is finished
    nothing is set again, and what it has is inherited.
    """
    catalog, one, reasons = task.catalog.current(), declaration, list[str]()
    while task.shell is not None:
        template = None
        if one.clone_from is not None:
            template = serving(one, catalog, task.offering.on(one.node)) or catalog[one.clone_from]
        if disallowed(task.shell, one, unmade(one)):
            expected = _expected(task, one, template, to_be_made=one is declaration)
            if expected is None:
                break
            reasons += disallowed(task.shell, one, expected)
        if template is None:
            break
        one = template
    if reasons:
        raise refusal(declaration, dict.fromkeys(reasons))


def _expected(
    task: PhoenixTask, one: Declaration, template: Declaration | None, *, to_be_made: bool
) -> Observation | None:
    """Return how it looks before anything is set; None for a template that is finished."""
    if not to_be_made:
        seen = task.proxmox.observe_template(one.node, one.ctid)
        if seen.is_template:
            return None
        if seen.presence is Presence.HERE:
            return seen
    source = None if template is None else task.proxmox.observe_template(template.node, template.ctid)
    return inherited(one, source) if source is not None and source.is_template else unmade(one)
