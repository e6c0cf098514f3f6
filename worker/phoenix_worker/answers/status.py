"""What stands at the CTIDs of the catalog. Nothing is changed, and no lock is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from phoenix_producer.contract import ContractError, Ctid
from phoenix_producer.standing import Exists, Standing
from phoenix_worker.actions.addresses import Found, addresses_of
from phoenix_worker.actions.builds import Builds
from phoenix_worker.actions.look import assess
from phoenix_worker.core.allowed.ownership import Action, Verdict, may_write
from phoenix_worker.core.differs.diff import diff
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.home import at_home
from phoenix_worker.core.model.marker import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.differs.diff import Changes
    from phoenix_worker.core.model.observation import Observation

_CTIDS = TypeAdapter(list[Ctid])
_ROLE_CHANGED = "role-changed"


def standings(task: PhoenixTask, ctids: Any) -> Iterator[Standing]:
    """Look at each CTID, or at all of the catalog when none is named.

    Raises ContractError, and PermanentError for a CTID that is not declared.
    """
    builds = Builds(task)
    for declaration in declarations_of(task, ctids, "status"):
        yield _standing(task, declaration, builds)


def declarations_of(task: PhoenixTask, ctids: Any, kind: str) -> list[Declaration]:
    """Read which CTIDs a request is about, all of the catalog when it names none; raises as `standings`."""
    try:
        wanted = _CTIDS.validate_python(ctids)
    except ValidationError as error:
        raise ContractError(f"Not a valid {kind} request: {ctids!r} is not a list of CTIDs.") from error
    return [task.current_declaration(ctid) for ctid in wanted or task.catalog.current()]


def _standing(task: PhoenixTask, declaration: Declaration, builds: Builds) -> Standing:
    try:
        seen, verdict = assess(task, declaration)
    except PermanentError as error:
        return _tell(task, declaration, declaration.where, Exists.UNKNOWN, problem=error.message)
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


def pending_restart(seen: Observation, changes: Changes | None) -> tuple[str, ...]:
    """Name the keys that a running container takes at its next start: what was changed, and what would be."""
    later = changes.pending_when_running if changes is not None and seen.running else ()
    return tuple(dict.fromkeys((*seen.pending, *later)))


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
        exists=what,
        warnings=task.warnings() + warnings,
        **facts,
    )
