"""How what exists differs from the catalog. Nothing is changed, and no lock is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import ContractError
from phoenix_producer.plans import Drift
from phoenix_producer.standing import Exists
from phoenix_worker.core.diff import diff
from phoenix_worker.core.errors import PermanentError
from phoenix_worker.core.outdated import outdated
from phoenix_worker.core.ownership import judge, may_write
from phoenix_worker.core.plan import plan
from phoenix_worker.core.rebuild import needs_rebuild
from phoenix_worker.status import declarations_of, exists, pending_restart
from phoenix_worker.surroundings import with_surroundings
from phoenix_worker.survey import takes_effect_later, what_stays

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_producer.plans import Action
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.observation import Observation
    from phoenix_worker.core.ownership import Verdict
    from phoenix_worker.task import PhoenixTask


def drifts(task: PhoenixTask, ctids: Any, *, accepted: Any) -> Iterator[Drift]:
    """Look at each CTID, or at all of the catalog when none is named.

    What is out of reach without the door to the node's shell differs, unless it is `accepted` that it is not applied.
    Raises ContractError, and PermanentError for a CTID that is not declared.
    """
    if not isinstance(accepted, bool):
        raise ContractError(f"Not a valid drift request: accept_not_applied {accepted!r} is neither true nor false.")
    for declaration in declarations_of(task, ctids, "drift"):
        yield _drift(task, declaration, accepted=accepted)


def _drift(task: PhoenixTask, declaration: Declaration, *, accepted: bool) -> Drift:
    try:
        if accepted or (task.shell is not None and any(script.on_node for script in declaration.scripts)):
            declaration = task.reach(declaration, accepted=True)
        pending = takes_effect_later(declaration)
        seen = task.proxmox.observe(declaration.node, declaration.ctid, pending=pending)
        seen = with_surroundings(task.proxmox, declaration, seen)
    except PermanentError as error:
        return _tell(task, declaration, Exists.UNKNOWN, problem=error.message)
    verdict = judge(declaration, seen)
    what = exists(declaration, seen, verdict)
    if not may_write(verdict):
        return _tell(task, declaration, what, problem=verdict.message)
    return _tell(
        task,
        declaration,
        what,
        actions=tuple(_differences(declaration, seen, verdict)),
        pending_restart=pending_restart(seen, diff(declaration, seen)),
        needs_rebuild=needs_rebuild(declaration, seen),
        outdated=outdated(declaration, seen, door=task.shell is not None),
        warnings=what_stays(task, declaration, seen),
    )


def _differences(declaration: Declaration, seen: Observation, verdict: Verdict) -> Iterator[Action]:
    """What an ensure would do, but for our own bookkeeping."""
    for step in plan(declaration, seen, verdict):
        yield from (action for action in step.actions if action.kind != "record")


def _tell(
    task: PhoenixTask, declaration: Declaration, what: Exists, *, warnings: tuple[str, ...] = (), **facts: Any
) -> Drift:
    return Drift(
        ctid=declaration.ctid,
        name=declaration.name,
        node=declaration.node,
        role=declaration.role,
        exists=what,
        warnings=task.warnings() + warnings,
        **facts,
    )
