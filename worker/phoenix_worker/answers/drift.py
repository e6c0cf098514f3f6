"""How what exists differs from the catalog. Nothing is changed, and no lock is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import ContractError
from phoenix_producer.plans import Drift
from phoenix_producer.standing import Exists
from phoenix_worker.actions.builds import Builds
from phoenix_worker.actions.ensured_copies import ensured_copies
from phoenix_worker.actions.look import assess, what_stays
from phoenix_worker.actions.made_again import needs_rebuild
from phoenix_worker.actions.standing_copies import Copies, all_copies
from phoenix_worker.answers.side_by_side import side_by_side
from phoenix_worker.answers.status import declarations_of, exists
from phoenix_worker.core.allowed.ownership import may_write
from phoenix_worker.core.differs.diff import diff, pending_restart
from phoenix_worker.core.model.home import at_home
from phoenix_worker.core.planned.plan import plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_producer.plans import Action
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.allowed.ownership import Verdict
    from phoenix_worker.core.model.observation import Observation


def drifts(task: PhoenixTask, ctids: Any, *, accepted: Any) -> list[Drift]:
    """Look at each CTID, or at all of the catalog when none is named.

    What is out of reach without shell access to the node differs, unless it is `accepted` that it is not applied.
    Raises ContractError, PermanentError for a CTID that is not declared, and TransientError when Proxmox is away.
    """
    if not isinstance(accepted, bool):
        raise ContractError(f"Not a valid drift request: accept_not_applied {accepted!r} is not true or false.")
    builds, wanted = Builds(task), declarations_of(task, ctids, "drift")
    copies = all_copies(task) if any(one.is_template for one in wanted) else Copies()
    return side_by_side(
        task,
        wanted,
        lambda declaration: _drift(task, declaration, builds, copies, accepted=accepted),
        lambda declaration, problem: _tell(task, declaration, Exists.UNKNOWN, problem=problem),
    )


def _drift(task: PhoenixTask, declaration: Declaration, builds: Builds, copies: Copies, *, accepted: bool) -> Drift:
    reads = accepted or (task.shell is not None and any(script.on_node for script in declaration.scripts))
    if reads:
        declaration = task.reach(declaration, accepted=True)
    seen, verdict = assess(task, declaration)
    declaration = at_home(declaration, seen)
    if reads and declaration.nodes:
        declaration = task.reach(declaration, accepted=True)
    what = exists(declaration, seen, verdict)
    own = ensured_copies(task, declaration, copies.of(declaration))
    of_copies = (*map(_differing, own.declared), *own.outdated)
    if not may_write(verdict):
        return _tell(task, declaration, what, problem=verdict.message, outdated=of_copies, warnings=own.unseen)
    return _tell(
        task,
        declaration,
        what,
        actions=tuple(_differences(declaration, seen, verdict)),
        pending_restart=pending_restart(seen, diff(declaration, seen)),
        needs_rebuild=needs_rebuild(task, declaration, seen),
        outdated=(*builds.outdated(declaration, seen), *of_copies),
        warnings=(*what_stays(task, declaration, seen), *own.unseen),
    )


def _differing(copy: Declaration) -> str:
    told = f"Template {copy.ctid}, a copy of {copy.copy_of}, is not as declared."
    return f"{told} To configure it again: `phoenix-lxc ensure {copy.copy_of}`."


def _differences(declaration: Declaration, seen: Observation, verdict: Verdict) -> Iterator[Action]:
    """Return what an ensure would do, but for our own bookkeeping."""
    for step in plan(declaration, seen, verdict):
        yield from (action for action in step.actions if action.kind != "record")


def _tell(
    task: PhoenixTask, declaration: Declaration, what: Exists, *, warnings: tuple[str, ...] = (), **facts: Any
) -> Drift:
    return Drift(
        ctid=declaration.ctid,
        name=declaration.name,
        node=declaration.where,
        elsewhere=declaration.elsewhere,
        role=declaration.role,
        exists=what,
        warnings=task.warnings() + warnings,
        **facts,
    )
