"""Clear what a Proxmox worker left that died in the middle of a clone or a creation.

It leaves `lock: create` on what it made, for a clone `lock: disk` on the template as well, and no API call takes these
off: `pct unlock` on the node does. Both are looked at once more just before, with the tasks that may be at work there.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from phoenix_worker.core.allowed.ownership import Action, Creating, judge, may_destroy
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.proxmox.root_commands import RootCommands

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.allowed.ownership import Verdict
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import ProxmoxTask

logger = logging.getLogger(__name__)

_DIED = "unexpected status"
_DESTROY_SECONDS = 15.0
_PAUSE = 0.1


def running_makers(task: PhoenixTask, declaration: Declaration) -> list[ProxmoxTask]:
    """List the tasks that may be making a CTID now: a creation of it, or a clone of its template (named by source)."""
    node, source = declaration.node, declaration.clone_from
    tasks = [entry for entry in task.proxmox.recent_tasks(node, declaration.ctid) if entry.kind == "vzcreate"]
    if source is not None:
        clones = task.proxmox.recent_tasks(declaration.template_node or node, source)
        tasks += [entry for entry in clones if entry.kind == "vzclone"]
    return [entry for entry in tasks if entry.running]


def can_clear(task: PhoenixTask, seen: Observation, verdict: Verdict) -> bool:
    """Return whether this worker can remove what is half-made: it is ours, and its lock, if any, can be cleared."""
    return verdict.action is Action.REMOVE_HALF_MADE and may_destroy(seen) and (task.shell is not None or not seen.lock)


def clear(task: PhoenixTask, declaration: Declaration) -> None:
    """Unlock and destroy what is half-made, with every disk of its id. A worker that dies on the way is carried on."""
    step = _step(declaration)
    task.once(
        step,
        lambda: _clear(task, declaration, unlocked=False),
        adopt=lambda _: _clear(task, declaration, unlocked=True),
    )
    task.forget(step)


def go_on_clearing(task: PhoenixTask, declaration: Declaration) -> None:
    """Finish what a worker of ours began that died: what it had unlocked looks whole, and is not."""
    if f"?{_step(declaration)}" in task.running.journal:
        clear(task, declaration)
        if declaration.clone_from is not None:
            free_template(task, declaration.node, declaration.clone_from)


def free_template(task: PhoenixTask, node: str, template: int) -> bool:
    """Take the lock off a template of ours that the last clone of it left, by our token, when its worker died.

    The task holds the template's lane, so that no clone of ours begins meanwhile. Returns whether it is free now.
    """
    seen = task.proxmox.observe_template(node, template)
    if task.shell is None or seen.lock != "disk" or not seen.is_ours:
        return False
    tasks = task.proxmox.recent_tasks(node, template)
    clones = [entry for entry in tasks if entry.kind == "vzclone"]
    if not clones or clones[0].user != task.proxmox.whoami():
        return False
    end = task.proxmox.task_end(clones[0].upid)
    if end is None or end.exit_status != _DIED:
        return False
    logger.warning(
        "The Proxmox process of task %s died. Removing the lock that it left on template %d.", clones[0].upid, template
    )
    RootCommands(task.shell, node).unlock(template)
    return True


def _step(declaration: Declaration) -> str:
    return f"clear-{declaration.ctid}"


def _clear(task: PhoenixTask, declaration: Declaration, *, unlocked: bool) -> float:
    """Look once more, then act. `unlocked` says that an earlier run may have taken the lock off already."""
    node, ctid = declaration.node, declaration.ctid
    seen = task.proxmox.observe_template(node, ctid)
    if seen.presence is Presence.ABSENT:
        return time.time()
    if running_makers(task, declaration):
        why = "a Proxmox task may still be creating it"
        raise TransientError(f"Unable to remove the half-made CT {ctid} on {node}: {why}.", cause="being-created")
    verdict = judge(declaration, seen, creating=Creating.NOBODY)
    if verdict.action is Action.WAIT:
        raise verdict.delay()
    if not can_clear(task, seen, verdict) and not (unlocked and may_destroy(seen) and not seen.lock):
        raise verdict.refusal() if verdict.message else _changed(seen)
    logger.warning("CT %d on %s is half-made, and no Proxmox task is creating it. Removing it.", ctid, node)
    if seen.lock and task.shell is not None:
        RootCommands(task.shell, node).unlock(ctid)
    _await_end(task, declaration, task.proxmox.destroy(node, ctid))
    return time.time()


def _changed(seen: Observation) -> PermanentError:
    return PermanentError(
        f"Unable to remove the half-made CT {seen.ctid} on {seen.node}: it was changed after this job looked at it.",
        cause="changed-meanwhile",
        remedy="Look at it in Proxmox, then send the request again.",
    )


def _await_end(task: PhoenixTask, declaration: Declaration, upid: str) -> None:
    """Wait a moment; a removal that takes longer is seen by its lock, and waited for without a slot."""
    deadline = time.monotonic() + _DESTROY_SECONDS
    while (end := task.proxmox.task_end(upid)) is None and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    if end is not None and not end.succeeded:
        raise task.proxmox.task_failure(f"destroy CT {declaration.ctid} on {declaration.node}", end)
