"""Remove what is ours: looked at, with its marker and with what hangs on it, just before it is stopped and deleted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from phoenix_worker.actions import recover
from phoenix_worker.actions.forbidden import refuse_forbidden_removal
from phoenix_worker.actions.gone import is_gone, wait_until_gone
from phoenix_worker.actions.look import look, permit
from phoenix_worker.actions.shut_down import shut_down
from phoenix_worker.core.allowed.linked import linked_by_name, may_be_linked, storages_of
from phoenix_worker.core.allowed.ownership import (
    BEING_DESTROYED,
    Action,
    Purpose,
    may_destroy,
    may_drop_snapshots,
    refuse_linked,
)
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.marker import are_of_one_task
from phoenix_worker.durable.run import FORGOTTEN
from phoenix_worker.proxmox import scripts
from phoenix_worker.step_names import StepName

if TYPE_CHECKING:
    from collections.abc import Collection

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.allowed.ownership import Verdict
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import NodeShell

logger = logging.getLogger(__name__)


def remove(task: PhoenixTask, declaration: Declaration, purpose: Purpose, then: str = "") -> dict[str, Any]:
    """Stop and delete a CTID, and wait until Proxmox has done it. Nothing is done to one that is absent.

    Nor to what the task `then`, which comes after this one, has made in its place: Redis has lost that.
    """
    node, ctid = declaration.node, declaration.ctid
    stopped = task.once(
        StepName.STOP,
        lambda: _stop(task, declaration, purpose, then),
        adopt=lambda when: recover.find_power_task(task.proxmox, declaration, "vzshutdown", when),
        upid=recover.upid_of,
    )
    node = stopped.get("node", node)
    task.wait_for_power_task(declaration.standing_on(node), stopped, kind=f"vzshutdown {node}", running=False)
    task.wait_for_power(declaration.standing_on(node), stopped, running=False)
    posted: dict[str, Any] = task.once(
        StepName.DESTROY,
        lambda: _delete(task, declaration, purpose, then),
        adopt=lambda when: recover.find_removal(task.proxmox, node, ctid, when),
        upid=recover.upid_of,
    )
    node = posted.get("node", node)
    wait_until_gone(task, StepName.DESTROY, posted, node, ctid)
    shell = task.shell
    if shell is not None and any(script.on_node for script in declaration.scripts):
        task.once("clear", lambda: _clear(shell, declaration.standing_on(node)))
    return posted | {"node": node}


def _clear(shell: NodeShell, declaration: Declaration) -> None:
    """Remove what scripts for it left on the node. It is gone: what cannot be removed there is only logged."""
    try:
        scripts.clear(shell, scripts.Place(declaration.node, declaration.ctid, on_node=True))
    except (PermanentError, TransientError) as error:
        logger.warning("%s", error)


def drop(task: PhoenixTask, declaration: Declaration, snapshot: str) -> None:
    """Delete a snapshot of what becomes a template, and wait until Proxmox has done it."""
    node, ctid, proxmox = declaration.node, declaration.ctid, task.proxmox
    step, doing = f"drop-{snapshot}", f"delete the snapshot {snapshot} of CT {ctid} on {node}"

    def act() -> dict[str, Any]:
        seen, verdict = look(task, declaration)
        permit(may_drop_snapshots(verdict, seen), verdict, doing)
        there = snapshot in proxmox.snapshots(seen.node, ctid)
        return recover.posted(proxmox.delete_snapshot(seen.node, ctid, snapshot) if there else None)

    posted = task.once(
        step, act, adopt=lambda when: recover.find_deletion(proxmox, node, ctid, snapshot, when), upid=recover.upid_of
    )
    task.wait_until_done(step, posted, doing, kind=f"vzdelsnapshot {node}")


def linked_clones(task: PhoenixTask, declaration: Declaration, seen: Observation) -> tuple[int, ...]:
    """Find the linked clones that hang on a template; one call for each of its storages and each declared one."""
    if not seen.base_volume:
        return ()
    volumes = [one for storage in storages_of(seen) for one in task.proxmox.volumes(seen.node, storage)]
    found = linked_by_name(seen.ctid, volumes)
    template, via = declaration.copy_of or declaration.ctid, declaration.ctid if declaration.copy_of else None
    for clone in task.catalog.current().values():
        if clone.clone_from == template and not clone.full_clone and clone.ctid not in found:
            there = task.proxmox.observe_template(clone.node, clone.ctid)
            if may_be_linked(seen, there, via):
                found.add(clone.ctid)
    return tuple(sorted(found))


def removal_line(seen: Observation) -> str:
    """Tell what a removal does, for people."""
    kind = "template" if seen.base_volume else "running container" if seen.running else "container"
    name = seen.config.get("hostname", "")
    verb = "stop and destroy" if seen.running else "destroy"
    return f"{verb} CT {seen.ctid} on {seen.node}: {kind} '{name}', with its disks"


def _stop(task: PhoenixTask, declaration: Declaration, purpose: Purpose, then: str) -> dict[str, Any]:
    try:
        seen = _look(task, declaration, purpose)
    except TransientError as error:
        if _begun(task, declaration, error) is None:
            raise
        return recover.posted(None)
    if not seen.running or was_made_by(then, seen):
        return recover.posted(None)
    task.proxmox.need_quorum(f"{purpose} CT {declaration.ctid} on {seen.node}", (seen.node, seen.ctid))
    return recover.posted(shut_down(task.proxmox, seen)) | {"node": seen.node}


def _delete(task: PhoenixTask, declaration: Declaration, purpose: Purpose, then: str) -> dict[str, Any]:
    try:
        seen = _look(task, declaration, purpose)
    except TransientError as error:
        if (begun := _begun(task, declaration, error)) is None:
            raise
        return begun
    if not may_destroy(seen) or was_made_by(then, seen):
        return recover.posted(None)
    if (begun := recover.running_removal(task.proxmox, seen.node, declaration.ctid)) is not None:
        return begun | {"node": seen.node}
    try:
        return recover.posted(task.proxmox.destroy(seen.node, declaration.ctid)) | {"node": seen.node}
    except PermanentError as error:
        if not is_gone(task.proxmox, seen.node, declaration.ctid, error):
            raise
        return recover.posted(None)


def _begun(task: PhoenixTask, declaration: Declaration, error: TransientError) -> dict[str, Any] | None:
    """Find the removal of ours that a look ran into: Redis may have lost that it was ordered."""
    if error.cause != BEING_DESTROYED:
        return None
    return recover.find_removal(task.proxmox, declaration.node, declaration.ctid, FORGOTTEN)


def was_made_by(task_id: str, seen: Observation) -> bool:
    """Return whether what stands there was made by a task of ours."""
    return bool(task_id) and seen.marker is not None and are_of_one_task(seen.marker.creation, task_id)


def _look(task: PhoenixTask, declaration: Declaration, purpose: Purpose) -> Observation:
    """Look now, and see that it may be destroyed, or is absent."""
    seen, verdict = look(task, declaration, purpose=purpose)
    may_go(task, declaration, seen, verdict, purpose)
    return seen


def may_go(
    task: PhoenixTask,
    declaration: Declaration,
    seen: Observation,
    verdict: Verdict,
    purpose: Purpose,
    *,
    gone: Collection[int] = (),
) -> None:
    """Raise PermanentError unless what stands at a CTID may be destroyed, or nothing does; `gone` will be by then."""
    allowed = verdict.action in {Action.DESTROY, Action.NOTHING}
    permit(allowed, verdict, f"{purpose} CT {declaration.ctid}")
    refuse_forbidden_removal(task.proxmox, declaration, seen, purpose)
    linked = tuple(clone for clone in linked_clones(task, declaration, seen) if clone not in gone)
    refuse_linked(seen, linked, purpose)
