"""Snapshots of a container as it was before its scripts, and as it was when it was first found well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.actions import recover
from phoenix_worker.actions.look import wherever
from phoenix_worker.core.differs.volumes import mounted
from phoenix_worker.core.model.errors import PermanentError

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration

BEFORE, WHEN_WELL = "pre-configured", "final-form"
_NOT_AVAILABLE = "snapshot feature is not available"


def keep(task: PhoenixTask, declaration: Declaration, name: str) -> tuple[str, ...]:
    """Take a snapshot unless there is one of this name. Returns the warning of a storage that has none."""
    node, ctid = declaration.node, declaration.ctid
    doing = f"take the snapshot {name} of CT {ctid} on {node}"

    def take(where: str) -> dict[str, Any]:
        there = name in task.proxmox.snapshots(where, ctid)
        return recover.posted(None if there else task.proxmox.snapshot(where, ctid, name))

    posted = task.once(
        name,
        lambda: wherever(task, declaration, take),
        adopt=lambda when: recover.find_power_task(task.proxmox, declaration, "vzsnapshot", when),
        upid=recover.upid_of,
    )
    try:
        task.wait_until_done(name, posted, doing, kind=f"vzsnapshot {node}")
    except PermanentError as error:
        if _NOT_AVAILABLE not in error.message:
            raise
        return (f"CT {ctid} has no snapshot {name}: {_obstacle(task, declaration)}.",)
    return ()


def _obstacle(task: PhoenixTask, declaration: Declaration) -> str:
    """Say what prevents a snapshot: Proxmox says the same of storages and of bind mounts."""
    node, ctid = declaration.node, declaration.ctid
    mounts = mounted(task.proxmox.observe_template(node, ctid).config)
    if bound := ", ".join(path for path, mount in mounts.items() if not mount.storage):
        return f"Proxmox takes none of a container with bind mounts ({bound})"
    return f"the storage of its disks on {node} cannot take any"
