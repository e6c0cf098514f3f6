"""What stands at the CTIDs of the catalog. Nothing is changed, and no lock is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from phoenix_producer.contract import ContractError
from phoenix_producer.ctids import Ctid
from phoenix_producer.standing import Exists, Standing
from phoenix_worker.actions.addresses import Found, addresses_of
from phoenix_worker.actions.builds import Builds
from phoenix_worker.actions.look import assess
from phoenix_worker.answers.side_by_side import side_by_side
from phoenix_worker.core.allowed.ownership import Action, Verdict, may_write
from phoenix_worker.core.differs.diff import diff, pending_restart
from phoenix_worker.core.model.home import at_home
from phoenix_worker.core.model.marker import Stage

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.differs.diff import Changes
    from phoenix_worker.core.model.observation import Observation

_CTIDS = TypeAdapter(list[Ctid])
_SHOWN = 200
_ROLE_CHANGED = "role-changed"


def standings(task: PhoenixTask, ctids: Any) -> list[Standing]:
    """Look at each CTID, or at all of the catalog when none is named.

    Raises ContractError, PermanentError for a CTID that is not declared, and TransientError when Proxmox is away.
    """
    builds = Builds(task)
    return side_by_side(
        task,
        declarations_of(task, ctids, "status"),
        lambda declaration: _standing(task, declaration, builds),
        lambda declaration, problem: _tell(task, declaration, declaration.node, Exists.UNKNOWN, problem=problem),
    )


def declarations_of(task: PhoenixTask, ctids: Any, kind: str) -> list[Declaration]:
    """Read which CTIDs a request is about, each once, all of the catalog when it names none; raises as `standings`."""
    try:
        wanted = _CTIDS.validate_python(ctids)
    except ValidationError as error:
        raise ContractError(f"Not a valid {kind} request: {ctids!r:.{_SHOWN}} is not a list of CTIDs.") from error
    return [task.current_declaration(ctid, to="look at") for ctid in dict.fromkeys(wanted) or task.catalog.current()]


def _standing(task: PhoenixTask, declaration: Declaration, builds: Builds) -> Standing:
    seen, verdict = assess(task, declaration)
    changes = diff(declaration, seen) if may_write(verdict) else None
    found = addresses_of(task, declaration, seen) if may_write(verdict) and not seen.is_template else Found()
    return _tell(
        task,
        declaration,
        seen.node or declaration.where,
        exists(declaration, seen, verdict),
        elsewhere=at_home(declaration, seen).elsewhere,
        running=seen.running,
        addresses=found.addresses,
        outdated=builds.outdated(declaration, seen),
        differs=_differences(changes) if changes else (),
        pending_restart=pending_restart(seen, changes),
        lock=seen.lock,
        problem=verdict.message,
        warnings=found.warnings,
    )


def exists(declaration: Declaration, seen: Observation, verdict: Verdict) -> Exists:
    """Name what there is, by the verdict of the ownership table."""
    if verdict.action is Action.CREATE:
        return Exists.ABSENT
    if verdict.action is Action.REFUSE and verdict.cause != _ROLE_CHANGED:
        return Exists.NOT_OURS
    if verdict.action is Action.REFUSE:
        return Exists.TEMPLATE if seen.base_volume else Exists.CONTAINER
    if not may_write(verdict) or verdict.action is Action.REPAIR_SEAL or _never_finished(declaration, seen):
        return Exists.HALF_MADE
    return Exists.TEMPLATE if seen.is_template else Exists.CONTAINER


def _never_finished(declaration: Declaration, seen: Observation) -> bool:
    """Tell a clone that was never configured, or a template that was never sealed."""
    made = seen.marker is not None and seen.marker.stage is Stage.MADE
    return made or (declaration.is_template and not seen.is_template)


def _differences(changes: Changes) -> tuple[str, ...]:
    """Name what is told of the changes: our own bookkeeping in the notes is not, and the firewall is one thing."""
    keys = (change.key for change in changes.changes)
    return tuple(dict.fromkeys("firewall" if key.startswith("firewall ") else key for key in keys))


def _tell(
    task: PhoenixTask,
    declaration: Declaration,
    node: str,
    what: Exists,
    *,
    warnings: tuple[str, ...] = (),
    **facts: Any,
) -> Standing:
    return Standing(
        ctid=declaration.ctid,
        name=declaration.name,
        role=declaration.role,
        state=declaration.state,
        node=node,
        source=declaration.clone_from,
        exists=what,
        warnings=task.warnings() + warnings,
        **facts,
    )
