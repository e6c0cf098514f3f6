"""What is done to a template with its copies: they are found, and the lanes of all are taken in one order.

Whoever makes a copy owns its lane, and may wait for that of the template, which is cloned for it. So whoever needs both
takes the copies' first: nobody waits for a copy's lane while owning its template's, and no two wait for each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.actions.standing_copies import Copies, Unseen, arrived, copies_of, refuse_unseen
from phoenix_worker.base import lane
from phoenix_worker.core.allowed.ownership import Purpose
from phoenix_worker.core.model.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration

_COPIES = "copies-there"
_SAME = "same-copies"


def hold_with(task: PhoenixTask, template: Declaration, copies: Sequence[Declaration]) -> None:
    """Own the lanes of copies, by their CTIDs, and then that of their template."""
    for one in (*sorted(copies, key=lambda copy: copy.ctid), template):
        task.hold(lane(one.ctid))


def hold_with_all(task: PhoenixTask, template: Declaration, copies: Sequence[Declaration]) -> None:
    """Own the lanes of a template and of all copies that there are, of which these were seen before.

    Raises TransientError, and has given all back, where there is one more by then, whose owner may wait for these.
    """
    hold_with(task, template, copies)
    known = {copy.ctid for copy in copies}
    if task.read(_SAME, lambda: _are_all(copies_of(task, template), known)):
        return
    task.forget(_COPIES)
    task.forget(_SAME)
    for one in (template, *copies):
        task.release(lane(one.ctid))
    raise TransientError(f"There are other copies of template {template.ctid} by now.", cause="moved")


def release_held(task: PhoenixTask) -> None:
    """Release what the job holds as it comes here: clones go on while this task sees to the next copy."""
    for name in task.once("held", lambda: sorted(task.engine.ledger.locks_of(task.running.job))):
        task.release(name)


def _are_all(found: Copies, known: set[int]) -> bool:
    return not found.unseen and all(one.ctid in known for one in found.seen)


def copies_there(task: PhoenixTask, template: Declaration) -> tuple[list[Declaration], tuple[Unseen, ...]]:
    """Return the copies of a template, wherever they stand, and what may be one and cannot be looked at."""

    def look_at_them() -> dict[str, Any]:
        found = copies_of(task, template)
        return {"seen": [(one.ctid, arrived(one).node) for one in found.seen], "unseen": found.unseen}

    found = task.read(_COPIES, look_at_them)
    catalog = task.catalog.current()
    copies = [catalog.copy(template.ctid, ctid, node) for ctid, node in found["seen"]]
    return copies, tuple(Unseen(*one) for one in found["unseen"])


def copies_in_reach(task: PhoenixTask, template: Declaration) -> tuple[list[Declaration], tuple[str, ...]]:
    """Return the copies that can be rebuilt, and what is told of those that cannot: their nodes are offline.

    Raises TransientError while a node that is online does not answer: nothing is destroyed before.
    """
    copies, unseen = copies_there(task, template)
    refuse_unseen(template, (one for one in unseen if not one.offline), Purpose.REBUILD)
    return copies, tuple(one.left(template) for one in unseen)
