"""Clear what a Proxmox worker left that died in the middle of a clone or a creation.

It leaves `lock: create` on what it made, for a clone `lock: disk` on the template as well, and no API call takes these
off: `pct unlock` on the node does. Both are looked at once more just before, with the tasks that may be at work there.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from phoenix_worker.actions import recover
from phoenix_worker.actions.forbidden import as_in_ha
from phoenix_worker.actions.gone import wait_until_gone
from phoenix_worker.actions.left_disks import note_death
from phoenix_worker.actions.makers import running_makers
from phoenix_worker.catalog.declaration import PROTECTION
from phoenix_worker.core.allowed.ownership import Action, Creating, judge, may_destroy
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.ha import HaAct, HaWrite
from phoenix_worker.core.model.home import at_home
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.proxmox.root_commands import RootCommands

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.allowed.ownership import Verdict
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import Proxmox, ProxmoxTask

logger = logging.getLogger(__name__)

_DIED = "unexpected status"


def makers_of(task: PhoenixTask, declaration: Declaration, seen: Observation) -> list[ProxmoxTask]:
    """List the tasks that may be making a declared CTID now, as which it is `seen`."""
    nodes = (declaration.node, declaration.template_node or declaration.node)
    origin = None if seen.marker is None else seen.marker.via or seen.marker.template
    return running_makers(task.proxmox, declaration.ctid, nodes, declaration.cloned_from, origin)


def can_clear(task: PhoenixTask, seen: Observation, verdict: Verdict) -> bool:
    """Return whether this worker can remove what is half-made: it is ours, and its lock, if any, can be cleared."""
    return verdict.action is Action.REMOVE_HALF_MADE and may_destroy(seen) and (task.shell is not None or not seen.lock)


def clear(task: PhoenixTask, declaration: Declaration) -> None:
    """Unlock and destroy what is half-made, with every disk of its id. If a worker dies meanwhile, another one resumes.

    From the unlocking until it is gone the journal has the intent: meanwhile it looks whole.
    """
    step = _step(declaration)
    task.once(
        step,
        lambda: _clear(task, declaration, unlocked=False),
        adopt=lambda _: _clear(task, declaration, unlocked=True),
    )
    task.forget(step)


def go_on_clearing(task: PhoenixTask, declaration: Declaration) -> None:
    """Finish what a worker of ours began that died: what it had unlocked looks whole, and is not."""
    if is_clearing(task, declaration):
        clear(task, declaration)
        if declaration.cloned_from is not None:
            free_template(task, declaration.template_node or declaration.node, declaration.cloned_from)


def is_clearing(task: PhoenixTask, declaration: Declaration) -> bool:
    """Return whether this task has begun to clear what was half-made, which may look whole by now."""
    return f"?{_step(declaration)}" in task.running.journal


def free_template(task: PhoenixTask, node: str, template: int) -> bool:
    """Take the lock off a template of ours that the last clone of it left, by our token, when its worker died.

    The task holds the template's lane, so that no clone of ours begins meanwhile. Returns whether it is free now.
    """
    seen = task.proxmox.observe_template(node, template)
    dead = _dead_clone(task, seen)
    if task.shell is None or dead is None or not seen.is_ours or dead.user != task.proxmox.whoami():
        return False
    words = "The Proxmox process of task %s died. Removing the lock that it left on template %d."
    logger.warning(words, dead.upid, template)
    RootCommands(task.shell, node).unlock(template)
    return True


def refuse_dead_lock(task: PhoenixTask, node: str, template: int) -> None:
    """Raise PermanentError for a template that stays locked: the worker that was cloning it died."""
    dead = _dead_clone(task, task.proxmox.observe_template(node, template))
    if dead is None:
        return
    raise PermanentError(
        f"Unable to clone template {template} on {node}: it is locked (disk), and the Proxmox worker died that was "
        f"cloning it ({dead.upid}).",
        cause="locked",
        remedy=f"Run on {node}: `pct unlock {template}`; then send the request again.",
    )


def _dead_clone(task: PhoenixTask, template: Observation) -> ProxmoxTask | None:
    """Return the last clone of a template, if its worker died and left its lock there."""
    if template.lock != "disk":
        return None
    tasks = task.proxmox.recent_tasks(template.node, template.ctid)
    last = next((entry for entry in tasks if entry.kind == "vzclone"), None)
    end = None if last is None else task.proxmox.task_end(last.upid)
    return last if end is not None and end.exit_status == _DIED else None


def _step(declaration: Declaration) -> str:
    return f"clear-{declaration.ctid}"


def _clear(task: PhoenixTask, declaration: Declaration, *, unlocked: bool) -> bool:
    step, node, ctid = f"{_step(declaration)}-removal", declaration.node, declaration.ctid
    posted = task.once(
        step,
        lambda: _remove(task, declaration, unlocked=unlocked),
        adopt=lambda when: recover.find_removal(task.proxmox, node, ctid, when),
        upid=recover.upid_of,
    )
    wait_until_gone(task, step, posted, posted.get("node", node), ctid)
    task.forget(step)
    return True


def _remove(task: PhoenixTask, declaration: Declaration, *, unlocked: bool) -> dict[str, Any]:
    """Look once more, then act. `unlocked` says that an earlier run may have taken the lock off already."""
    node, ctid = declaration.node, declaration.ctid
    seen = task.proxmox.observe_template(node, ctid)
    if seen.presence is Presence.ABSENT:
        return recover.posted(None)
    declaration, node = at_home(declaration, seen), seen.node
    if makers_of(task, declaration, seen):
        why = "a Proxmox task may still be creating it"
        raise TransientError(f"Unable to remove the half-made CT {ctid} on {node}: {why}.", cause="being-created")
    verdict = judge(declaration, seen, creating=Creating.NOBODY)
    if verdict.action is Action.WAIT:
        raise verdict.delay()
    if not can_clear(task, seen, verdict) and not (unlocked and may_destroy(seen) and not seen.lock):
        raise verdict.refusal() if verdict.message else _changed(seen)
    logger.warning("CT %d on %s is half-made, and no Proxmox task is creating it. Removing it.", ctid, node)
    note_death(task, declaration)
    if seen.lock and task.shell is not None:
        RootCommands(task.shell, node).unlock(ctid)
    release(task.proxmox, seen)
    return recover.posted(task.proxmox.destroy(node, ctid)) | {"node": node}


def release(proxmox: Proxmox, seen: Observation) -> None:
    """Take away what keeps the half-made from being removed: protection, its own or its template's, and HA."""
    if seen.config.get(PROTECTION) == "1":
        proxmox.configure(seen.node, seen.ctid, changes={PROTECTION: "0"}, delete=(), digest=None)
    if as_in_ha(proxmox, seen).ha_managed:
        proxmox.write_ha_resource(seen.ctid, HaWrite(HaAct.REMOVE))


def _changed(seen: Observation) -> PermanentError:
    return PermanentError(
        f"Unable to remove the half-made CT {seen.ctid} on {seen.node}: it was changed after this job looked at it.",
        cause="changed-meanwhile",
        remedy="Look at it in Proxmox, then send the request again.",
    )
