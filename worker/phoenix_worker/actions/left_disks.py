"""Free a disk that a dead Proxmox worker left where one is to be made, if it is ours and nobody's any more.

Ours is what the ledger knows of: an order of ours to make this CTID on this node, whose Proxmox worker died, and after
which it was not made. Nobody's is what stays so in two looks: children of a killed worker may still clean up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never

from phoenix_worker.actions import recover
from phoenix_worker.actions.makers import running_makers
from phoenix_worker.core.allowed.left_disks import (
    LEFT_DISK,
    Death,
    LeftDisk,
    is_at_work,
    left_disk,
    made_by_others,
    makings_of_others,
    why_not_ours,
)
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.durable.run import now
from phoenix_worker.proxmox.error_table import PERMISSION

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.step_names import StepName

_BETWEEN_LOOKS = 2.0
"""Seconds between two looks for what children of a killed worker still do."""


def note_death(task: PhoenixTask, declaration: Declaration) -> None:
    """Note for all jobs to come that the Proxmox worker died which was making a CTID by an order of ours.

    Whatever others have made of that id by now is noted too: the node's clock does not tell what they made since. If
    the node does not answer, none of it is known, and nothing is freed later that others may have left.
    """
    node, proxmox = _node(declaration), task.proxmox
    try:
        by_now = makings_of_others(proxmox.recent_tasks(node, declaration.ctid), proxmox.whoami())
    except (TransientError, PermanentError):
        by_now = []
    known = [one.upid for one in by_now]
    task.engine.ledger.note(_death(declaration), {"node": node, "at": now(), "known": known})


def _read(noted: dict[str, Any] | None) -> Death | None:
    """Read what the ledger has of a death; None where there is none, or something else in its place."""
    try:
        if noted is None:
            return None
        known = frozenset(map(str, noted["known"])) if "known" in noted else None
        return Death(str(noted["node"]), float(noted["at"]), known)
    except (LookupError, TypeError, ValueError):
        return None


def forget_death(task: PhoenixTask, declaration: Declaration) -> None:
    """Forget that: it was made, and what lies there from now on may be anybody's."""
    task.engine.ledger.forget_note(_death(declaration))


def free_left_disk(task: PhoenixTask, step: StepName, declaration: Declaration, error: PermanentError) -> Never:
    """Free the disk over which a clone or create failed, so that it is made again: TransientError.

    Raises PermanentError with the command that frees it, unless it is proved ours and nobody's.
    """
    node = _node(declaration)
    disk = left_disk(error.message, task.proxmox.storages().values())
    if disk is None:
        raise error
    noted = task.engine.ledger.noted(_death(declaration))
    death = _read(noted)
    why = why_not_ours(disk, declaration.ctid, node, death)
    if why or death is None:
        raise _by_hand(error, disk, node, why)
    _refuse_in_use(task, declaration, disk, death, error)
    task.sleep(_BETWEEN_LOOKS)
    told = _free(task, declaration, disk, death, error)
    task.forget(step)
    raise TransientError(f"{error.message} {told}", cause=LEFT_DISK, remedy=_command(disk, node))


def _free(task: PhoenixTask, declaration: Declaration, disk: LeftDisk, death: Death, error: PermanentError) -> str:
    """Have Proxmox free it, and say what became of that. Raises PermanentError where the token may not."""
    node, freeing = _node(declaration), f"free {disk.volume}"

    def act() -> dict[str, Any]:
        _refuse_in_use(task, declaration, disk, death, error)
        return recover.posted(task.proxmox.free_volume(node, disk.volume))

    try:
        posted = task.once(
            freeing,
            act,
            adopt=lambda when: recover.find_freeing(task.proxmox, node, disk.ctid, disk.volume, when),
            upid=recover.upid_of,
        )
    except PermanentError as refusal:
        if refusal.cause != PERMISSION:
            raise
        raise _by_hand(error, disk, node, f"the token may not free it: {refusal.remedy.rstrip('.')}") from refusal
    told = "It was ours, and was freed."
    try:
        task.wait_until_done(freeing, posted, f"free the disk {disk.volume} on {node}", kind=f"imgdel {node}")
    except PermanentError as failure:  # Gone by itself, or still there: making the CTID tells which.
        told = failure.message
    task.forget(freeing)
    return told


def _refuse_in_use(
    task: PhoenixTask, declaration: Declaration, disk: LeftDisk, death: Death, error: PermanentError
) -> None:
    """Raise unless no guest has the id, nobody else had it since, and no Proxmox task is at work on it."""
    node, ctid, proxmox = _node(declaration), declaration.ctid, task.proxmox
    proxmox.need_quorum(f"free the disk {disk.volume} on {node}")
    if not proxmox.is_free(ctid):
        raise PermanentError(
            f"{error.message} The disk was not freed: there is a guest {ctid} now.",
            cause=LEFT_DISK,
            remedy=f"Find what has this id now: run `phoenix-lxc plan {ctid}`, or look in the Proxmox web interface.",
        )
    tasks = proxmox.recent_tasks(node, ctid)
    if is_at_work(running_makers(proxmox, ctid, (node, declaration.node), declaration.cloned_from), tasks):
        raise TransientError(f"{error.message} A Proxmox task may be at work on it.", cause="being-created")
    if why := made_by_others(tasks, death, proxmox.whoami()):
        raise _by_hand(error, disk, node, why)


def _by_hand(error: PermanentError, disk: LeftDisk, node: str, why: str) -> PermanentError:
    return PermanentError(
        f"{error.message} The disk was not freed: {why}.",
        cause=LEFT_DISK,
        remedy=_command(disk, node),
    )


def _command(disk: LeftDisk, node: str) -> str:
    return f"If nobody needs it, run on {node}: `pvesm free {disk.volume}`; then send the request again."


def _node(declaration: Declaration) -> str:
    """Return the node that makes it, where its disks are made."""
    return declaration.template_node or declaration.node


def _death(declaration: Declaration) -> str:
    return f"died/{declaration.ctid}"
