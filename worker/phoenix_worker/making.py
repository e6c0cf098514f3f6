"""Make a container by one order to Proxmox, which is sent once, and wait for it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from phoenix_worker import traces
from phoenix_worker.core.errors import PermanentError, TransientError
from phoenix_worker.core.ownership import Creating, judge
from phoenix_worker.repair import can_clear, clear, free_template, go_on_clearing
from phoenix_worker.survey import look, permit

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.ports import CloneOrder
    from phoenix_worker.task import PhoenixTask

_ALREADY_EXISTS = "already-exists"
_FORGOTTEN = "task-forgotten"
_WORKER_DIED = "proxmox-worker-died"
_HALF_MADE = "half-made"
_LOCKED = "locked"
_LOOKS = 2


def cloned(task: PhoenixTask, declaration: Declaration, order: CloneOrder) -> dict[str, Any]:
    """Clone a CTID from its template, whose lane the task holds, and wait until Proxmox has done it."""
    task.hold(f"node/{order.made_on}", task.node_capacity)
    return make(
        task,
        "clone",
        declaration,
        lambda: task.proxmox.clone(order),
        found=lambda when: traces.clone(task.proxmox, order, task.creation, when),
        doing=f"clone template {order.source} to CT {order.ctid} on {order.node}",
        kind=f"vzclone {order.made_on} {order.source} full={order.full:d}",
    )


def make(
    task: PhoenixTask,
    step: str,
    declaration: Declaration,
    order: Callable[[], str],
    *,
    found: Callable[[float], dict[str, Any] | None],
    doing: str,
    kind: str,
) -> dict[str, Any]:
    """Send the order unless `found` finds that it was sent before, and wait until Proxmox has done it."""
    go_on_clearing(task, declaration)
    find = partial(_found, task, declaration, found)
    posted: dict[str, Any] = task.once(
        step, lambda: _post(task, step, declaration, order, find, doing), adopt=find, upid=traces.upid_of
    )
    try:
        task.done(step, posted, doing, kind=kind)
    except PermanentError as error:
        if error.cause != _FORGOTTEN or not _is_whole(found(posted["at"])):
            raise
    except TransientError as error:
        if error.cause == _WORKER_DIED:
            _clear_up(task, declaration, error)
        raise
    return posted


def _found(
    task: PhoenixTask, declaration: Declaration, found: Callable[[float], dict[str, Any] | None], when: float
) -> dict[str, Any] | None:
    """Look for what was ordered. What is half made while no task makes it is cleared up, so that it is made anew.

    Not at the first looks: Proxmox sets the lock a moment before it lists the task.
    """
    try:
        return found(when)
    except TransientError as error:
        if error.cause != _HALF_MADE or task.running.tries < _LOOKS:
            raise
        _clear_up(task, declaration, error)
        return found(when)


def _is_whole(made: dict[str, Any] | None) -> bool:
    """Whether what was ordered stands there, and nothing is at work on it any more."""
    return made is not None and not made["upid"]


def _post(
    task: PhoenixTask,
    step: str,
    declaration: Declaration,
    order: Callable[[], str],
    found: Callable[[float], dict[str, Any] | None],
    doing: str,
) -> dict[str, Any]:
    """Send the order. When somebody took the id since this job looked, tell who: that is no success of ours.

    Unless it was this very step: an earlier order without an answer may be carried out after it was looked for.
    """
    try:
        return traces.posted(order())
    except TransientError as error:
        if error.cause == _LOCKED and declaration.clone_from is not None:
            free_template(task, declaration.node, declaration.clone_from)
        raise
    except PermanentError as error:
        if error.cause != _ALREADY_EXISTS:
            raise
        made = found(float(task.running.journal.get(f"?{step}", time.time())))
        if made is not None:
            return made
        _, verdict = look(task, declaration)
        permit(False, verdict, doing)  # noqa: FBT003 - nothing that stands there is what was ordered
        raise


def _clear_up(task: PhoenixTask, declaration: Declaration, error: TransientError) -> None:
    """Remove what a Proxmox worker left that died, and free the template; the task holds its lane.

    Raises PermanentError with the commands that do it, where there is no door to the node's shell.
    """
    node, source = declaration.node, declaration.clone_from
    seen = task.proxmox.observe(node, declaration.ctid)
    if seen.lock != "create":
        return
    verdict = judge(declaration, seen, creating=Creating.NOBODY)
    if not can_clear(task, seen, verdict):
        refusal = verdict.refusal()
        if source is not None:
            refusal.remedy += f" Its template is locked too: `pct unlock {source}`."
        raise refusal from error
    clear(task, declaration)
    if source is not None:
        free_template(task, node, source)
