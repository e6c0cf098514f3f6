"""Bring a container's configuration in line with its declaration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.actions import recover
from phoenix_worker.actions.configure_as_root import change_by_root
from phoenix_worker.actions.firewall_and_pool import change_surroundings, with_surroundings
from phoenix_worker.actions.look import look, permit, takes_effect_later, what_stays, wherever
from phoenix_worker.actions.made_again import needs_rebuild
from phoenix_worker.actions.protection import unprotected
from phoenix_worker.catalog.declaration import Role
from phoenix_worker.core.allowed.ownership import Action, may_write
from phoenix_worker.core.differs.diff import diff, pending_restart
from phoenix_worker.core.model.addresses import networks
from phoenix_worker.core.model.growth_log import not_grown
from phoenix_worker.core.model.home import at_home
from phoenix_worker.durable.run import now
from phoenix_worker.step_names import MAKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.allowed.ownership import Verdict
    from phoenix_worker.core.differs.diff import Changes
    from phoenix_worker.core.model.observation import Observation


def converge(task: PhoenixTask, declaration: Declaration, *, adopted: bool) -> dict[str, Any]:
    """Send what differs. The first difference seen is the one told, should the worker die in between.

    What only root may set comes first and the rest of the configuration last: once the notes say that it is as
    declared, all of it is.
    """
    began = now()
    made_just_now = any(step["ctid"] == declaration.ctid and step["name"] in MAKING for step in task.steps_done())
    later = not made_just_now and takes_effect_later(declaration)
    seen, verdict = look(task, declaration, adopt=adopted, power=not made_just_now, pending=later)
    permit(may_write(verdict), verdict, f"configure CT {declaration.ctid}")
    declaration = at_home(declaration, seen)
    seen = with_surroundings(task.proxmox, declaration, seen, new=made_just_now)
    changes = diff(declaration, seen)
    told: dict[str, Any] = task.once(
        "difference",
        lambda: {
            "at": began,
            "changes": [change.model_dump(mode="json") for change in changes.changes],
            "pending": list(pending_restart(seen, changes)),
            "grow": changes.grow,
            "after_growth": changes.put_before_growth != changes.put,
            "needs_rebuild": list(needs_rebuild(task, declaration, seen)),
            "warnings": [*_taken_over(verdict, seen), *what_stays(task, declaration, seen)],
            "networks": _networks_then(seen, changes),
        },
    )
    _change(task, declaration, seen, adopted=adopted, new=made_just_now)
    return told | {"node": seen.node}


def after_growth(task: PhoenixTask, declaration: Declaration, *, adopted: bool) -> None:
    """Send what had to wait until disks were grown: how those are mounted."""
    seen, verdict = look(task, declaration, adopt=adopted)
    permit(may_write(verdict), verdict, f"configure CT {declaration.ctid}")
    _change(task, declaration, with_surroundings(task.proxmox, declaration, seen), adopted=adopted, new=False)


def _change(task: PhoenixTask, declaration: Declaration, seen: Observation, *, adopted: bool, new: bool) -> None:
    if diff(declaration, seen).unprotect:
        with unprotected(task, declaration, seen, adopted=adopted) as free:
            seen = with_surroundings(task.proxmox, declaration, free, new=new)
            _carry_out(task, declaration, seen, adopted=adopted, new=new)
    else:
        _carry_out(task, declaration, seen, adopted=adopted, new=new)


def _carry_out(task: PhoenixTask, declaration: Declaration, seen: Observation, *, adopted: bool, new: bool) -> None:
    changes = diff(declaration, seen)
    if changes.root or changes.root.directories:
        seen = change_by_root(task, declaration, seen, changes.root, adopted=adopted)
        changes = diff(declaration, seen)
    change_surroundings(task.proxmox, declaration, seen, changes, new=new)
    put = changes.put_before_growth
    if put or changes.delete:
        task.proxmox.configure(seen.node, declaration.ctid, changes=put, delete=changes.delete, digest=seen.digest)


def _networks_then(seen: Observation, changes: Changes) -> dict[str, str]:
    """Return the interfaces as they are once the changes are made."""
    kept = {key: value for key, value in seen.config.items() if key not in changes.delete}
    return networks(kept | changes.put)


def _taken_over(verdict: Verdict, seen: Observation) -> Iterator[str]:
    if verdict.action is Action.CONVERGE_CONFIG_ONLY:
        yield (
            f"CT {seen.ctid} was recognized by its hostname and MAC. It was configured and got the marker of "
            "phoenix-lxc; nothing else was done. The next request brings it to its declared state."
        )


def grow(
    task: PhoenixTask, declaration: Declaration, disks: Mapping[str, float]
) -> tuple[Declaration, tuple[str, ...]]:
    """Grow disks, `rootfs` or `mpN`, one after another. Returns the declaration on the node where that was.

    Warns of file systems that did not grow with them.
    """
    warnings: tuple[str, ...] = ()
    for disk, size_gb in disks.items():
        declaration, told = _grow(task, declaration, disk, size_gb)
        warnings += told
    return declaration, warnings


def _grow(
    task: PhoenixTask, declaration: Declaration, disk: str, size_gb: float
) -> tuple[Declaration, tuple[str, ...]]:
    ctid = declaration.ctid

    def grown(when: float) -> dict[str, Any] | None:
        seen = task.proxmox.observe_template(declaration.node, ctid)
        is_smaller = disk in diff(declaration, seen).grow
        done = recover.find_growth(task.proxmox, seen.node, ctid, when) if is_smaller else recover.posted(None)
        return None if done is None else done | {"node": seen.node}

    def resize(where: str) -> dict[str, Any]:
        return recover.posted(task.proxmox.resize(where, ctid, disk=disk, size_gb=size_gb)) | {"node": where}

    posted = task.once(
        f"resize-{disk}",
        lambda: wherever(task, declaration, resize),
        adopt=grown,
        upid=recover.upid_of,
    )
    node = posted.get("node", declaration.node)
    what = "the root disk" if disk == "rootfs" else disk
    log = task.wait_until_done(
        f"resize-{disk}", posted, f"grow {what} of CT {ctid} on {node} to {size_gb} GiB", kind=f"resize {node}"
    )
    there = declaration.standing_on(node)
    if not (why := not_grown(log)) or declaration.role is Role.SCRATCH:
        # What takes a template's place is a full clone, whose file systems are made anew (`copy_volume`).
        return there, ()
    told = f"Disk {disk} of CT {ctid} on {node} has {size_gb} GiB now, but its file system did not grow: {why}"
    return there, (f"{told} Stop it, then run `resize2fs` (ext4) or `xfs_growfs` on its volume on {node}.",)
