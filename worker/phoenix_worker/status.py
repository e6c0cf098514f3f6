"""What stands at the CTIDs of the catalog. Nothing is changed, and no lock is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from phoenix_producer.contract import ContractError, Ctid
from phoenix_producer.standing import Exists, Standing
from phoenix_worker.core.diff import diff
from phoenix_worker.core.errors import PermanentError
from phoenix_worker.core.marker import Stage
from phoenix_worker.core.outdated import outdated
from phoenix_worker.core.ownership import Action, Verdict, judge, may_write
from phoenix_worker.surroundings import with_surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.observation import Observation
    from phoenix_worker.task import PhoenixTask

_CTIDS = TypeAdapter(list[Ctid])
_ROLE_CHANGED = "role-changed"


def standings(task: PhoenixTask, ctids: Any) -> Iterator[Standing]:
    """Look at each CTID, or at all of the catalog when none is named.

    Raises ContractError, and PermanentError for a CTID that is not declared.
    """
    for declaration in declarations_of(task, ctids, "status"):
        yield _standing(task, declaration)


def declarations_of(task: PhoenixTask, ctids: Any, kind: str) -> list[Declaration]:
    """Read which CTIDs a request is about, all of the catalog when it names none; raises as `standings`."""
    try:
        wanted = _CTIDS.validate_python(ctids)
    except ValidationError as error:
        raise ContractError(f"Not a valid {kind} request: {ctids!r} is no list of CTIDs.") from error
    return [task.declaration(ctid) for ctid in wanted or task.catalog.current()]


def _standing(task: PhoenixTask, declaration: Declaration) -> Standing:
    try:
        seen = task.proxmox.observe(declaration.node, declaration.ctid)
        seen = with_surroundings(task.proxmox, declaration, seen)
    except PermanentError as error:
        return _tell(task, declaration, declaration.node, Exists.UNKNOWN, problem=error.message)
    verdict = judge(declaration, seen)
    return _tell(
        task,
        declaration,
        seen.node,
        exists(declaration, seen, verdict),
        running=seen.running,
        differs=_differences(declaration, seen) if may_write(verdict) else (),
        outdated=outdated(declaration, seen, door=task.shell is not None),
        lock=seen.lock,
        problem=verdict.message,
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


def _differences(declaration: Declaration, seen: Observation) -> tuple[str, ...]:
    changes = diff(declaration, seen)
    firewall = ("firewall",) if changes.rules or changes.firewall_on is not None else ()
    pool = ("pool",) if changes.pool else ()
    return (*changes.put, *changes.delete, *changes.grow, *firewall, *pool)


def _tell(task: PhoenixTask, declaration: Declaration, node: str, what: Exists, **facts: Any) -> Standing:
    return Standing(
        ctid=declaration.ctid,
        name=declaration.name,
        role=declaration.role,
        state=declaration.state,
        node=node,
        exists=what,
        warnings=task.warnings(),
        **facts,
    )
