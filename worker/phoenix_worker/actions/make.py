"""Make a container by one order to Proxmox, which is sent once, and wait for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from phoenix_worker.actions import recover
from phoenix_worker.actions.left_disks import forget_death, free_left_disk, note_death
from phoenix_worker.actions.look import look, permit
from phoenix_worker.actions.repair import can_clear, clear, free_template, go_on_clearing, makers_of, refuse_dead_lock
from phoenix_worker.core.allowed.left_disks import LEFT_DISK
from phoenix_worker.core.allowed.ownership import Creating, Verdict, judge, may_write
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.durable.run import now
from phoenix_worker.proxmox.error_table import MISSING
from phoenix_worker.step_names import StepName

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import CloneOrder

_ALREADY_EXISTS = "already-exists"
_FORGOTTEN = "task-forgotten"
_WORKER_DIED = "proxmox-worker-died"
_HALF_MADE = "half-made"
_LOCKED = "locked"
_LOOKS = 2


@dataclass(frozen=True, slots=True)
class Sending:
    """An order to Proxmox: how it is sent, and how an earlier run's is found instead of sending it again."""

    send: Callable[[], str]
    """Sends the order; returns its UPID."""
    find_earlier: Callable[[float], dict[str, Any] | None]
    """Finds what was ordered at a time (seconds since the epoch), journalled as `recover.posted`; None if nothing."""


class StandsThere(Exception):  # noqa: N818 - nothing is wrong
    """What was to be made is there, and ours, wherever it stands: it is converged, not made."""

    def __init__(self, declaration: Declaration, seen: Observation, verdict: Verdict) -> None:
        super().__init__(f"CT {seen.ctid} stands on {seen.node}.")
        self.declaration = declaration
        self.seen = seen
        self.verdict = verdict


def make_clone(task: PhoenixTask, declaration: Declaration, order: CloneOrder) -> dict[str, Any]:
    """Clone a CTID from its template, whose lane the task holds, and wait until Proxmox has done it."""
    task.hold(f"node/{order.made_on}", task.node_capacity)
    return make(
        task,
        StepName.CLONE,
        declaration,
        Sending(
            send=lambda: task.proxmox.clone(order),
            find_earlier=lambda when: recover.find_clone(task.proxmox, order, task.creation, when),
        ),
        doing=f"clone template {order.source} to CT {order.ctid} on {order.node}",
        kind=f"vzclone {order.made_on} {order.source} full={order.full:d}",
    )


def make(
    task: PhoenixTask,
    step: StepName,
    declaration: Declaration,
    order: Sending,
    *,
    doing: str,
    kind: str,
) -> dict[str, Any]:
    """Send the order unless it was sent before, and wait until Proxmox has done it."""
    go_on_clearing(task, declaration)
    order = replace(order, find_earlier=partial(_find_or_clear_up, task, declaration, order.find_earlier))
    posted: dict[str, Any] = task.once(
        step,
        lambda: _post(task, step, declaration, order, doing),
        adopt=order.find_earlier,
        upid=recover.upid_of,
    )

    def clear_up(error: TransientError) -> None:
        if error.cause == _WORKER_DIED:
            note_death(task, declaration)
            _clear_up(task, declaration, error)

    try:
        task.wait_until_done(step, posted, doing, kind=kind, clear_up=clear_up)
    except PermanentError as error:
        if error.cause == LEFT_DISK:
            free_left_disk(task, step, declaration, error)
        if error.cause != _FORGOTTEN or not _is_whole(order.find_earlier(posted["at"])):
            raise
    forget_death(task, declaration)
    return posted


def _find_or_clear_up(
    task: PhoenixTask, declaration: Declaration, find: Callable[[float], dict[str, Any] | None], when: float
) -> dict[str, Any] | None:
    """Look for what was ordered. What is half made while no task makes it is cleared up, so that it is made again.

    Not at the first looks: Proxmox sets the lock a moment before it lists the task.
    """
    try:
        return find(when)
    except TransientError as error:
        if error.cause != _HALF_MADE or task.running.tries < _LOOKS:
            raise
        _clear_up(task, declaration, error)
        return find(when)


def _is_whole(made: dict[str, Any] | None) -> bool:
    """Return whether what was ordered stands there, and nothing is at work on it any more."""
    return made is not None and not made["upid"]


def _post(
    task: PhoenixTask,
    step: StepName,
    declaration: Declaration,
    order: Sending,
    doing: str,
) -> dict[str, Any]:
    """Send the order. When somebody took the id since this job looked, tell who: that is no success of ours.

    Unless it was this very step: an earlier order without an answer may be carried out after it was looked for, and
    Redis may have lost that it was sent. What another job of ours made, after Redis lost whose turn it is, will do.
    """
    try:
        return recover.posted(order.send())
    except TransientError as error:
        if error.cause == _LOCKED and declaration.cloned_from is not None:
            node = declaration.template_node or declaration.node
            if not free_template(task, node, declaration.cloned_from):
                refuse_dead_lock(task, node, declaration.cloned_from)
        raise
    except PermanentError as error:
        if error.cause not in {_ALREADY_EXISTS, MISSING}:
            raise
        made = order.find_earlier(float(task.running.journal.get(f"?{step}", now())))
        if made is not None:
            return made
        if error.cause == MISSING:
            raise
        seen, verdict = look(task, declaration)
        if seen.is_ours and may_write(verdict):
            raise StandsThere(declaration, seen, verdict) from error
        permit(False, verdict, doing)  # noqa: FBT003 - nothing that stands there is what was ordered
        raise


def _clear_up(task: PhoenixTask, declaration: Declaration, error: TransientError) -> None:
    """Remove what a Proxmox worker left that died, and free the template; the task holds its lane.

    Raises PermanentError with the commands that do it, where there is no shell access to the node.
    """
    node, source = declaration.node, declaration.cloned_from
    seen = task.proxmox.observe(node, declaration.ctid)
    if seen.lock != "create":
        return
    if makers_of(task, declaration, seen):
        raise TransientError(f"CT {seen.ctid} on {node} is being created by another task.", cause="being-created")
    verdict = judge(declaration, seen, creating=Creating.NOBODY)
    if not can_clear(task, seen, verdict):
        refusal = verdict.refusal()
        if source is not None:
            there = declaration.template_node or node
            refusal.remedy += f" Its template is locked too, on {there}: `pct unlock {source}`."
        raise refusal from error
    clear(task, declaration)
    if source is not None:
        free_template(task, declaration.template_node or node, source)
