"""Refuse what the forced command on the node would refuse, before anything is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.planned.prediction import inherited, unmade
from phoenix_worker.proxmox.forced_command import FORBIDDEN, refuse_forbidden

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


def refuse_forbidden_change(task: PhoenixTask, declaration: Declaration, expected: Observation) -> None:
    """Raise PermanentError for a container that is to become as declared, and looks as expected until then."""
    if task.shell is not None:
        refuse_forbidden(task.shell, declaration, expected)


def refuse_forbidden_making(task: PhoenixTask, declaration: Declaration) -> None:
    """Raise PermanentError for a container that is to be made, or for a template on the way to it.

    By the catalog first. Only when that speaks against it are templates looked at: of one that is finished nothing is
    set again, and what it has is inherited.
    """
    catalog, wanted = task.catalog.current(), declaration
    while True:
        template = None if declaration.clone_from is None else catalog[declaration.clone_from]
        try:
            refuse_forbidden_change(task, declaration, unmade(declaration))
        except PermanentError as refused:
            if refused.cause != FORBIDDEN:
                raise
            if declaration is not wanted and _finished(task, declaration) is not None:
                return
            there = None if template is None else _finished(task, template)
            if there is None:
                raise
            refuse_forbidden_change(task, declaration, inherited(declaration, there))
            return
        if template is None:
            return
        declaration = template


def _finished(task: PhoenixTask, template: Declaration) -> Observation | None:
    seen = task.proxmox.observe_template(template.node, template.ctid)
    return seen if seen.is_template else None
