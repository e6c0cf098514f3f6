"""Have Proxmox shut a container down that was seen to run just now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import TransientError

if TYPE_CHECKING:
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import Proxmox


def shut_down(proxmox: Proxmox, seen: Observation) -> str | None:
    """Return the UPID; None for what stands still by now.

    Raises TransientError for what somebody's migration has shut down just now, which starts it again on the other node:
    it takes the lock off before (`PVE::LXC::Migrate`, `final_cleanup`).
    """
    upid = proxmox.stop(seen.node, seen.ctid)
    if upid is None:
        now = proxmox.observe(seen.node, seen.ctid)
        if now.lock or now.running or _is_migrated(proxmox, seen.ctid):
            raise TransientError(
                f"Unable to stop CT {seen.ctid} on {seen.node}: somebody else has stopped it for the moment.",
                cause="locked",
            )
    return upid


def _is_migrated(proxmox: Proxmox, ctid: int) -> bool:
    """Look on each node for a migration: its task runs on the one that the container is leaving."""
    nodes = [name for name, node in proxmox.cluster().nodes.items() if node.online]
    tasks = (task for node in nodes for task in proxmox.recent_tasks(node, ctid))
    return any(task.running and task.kind == "vzmigrate" for task in tasks)
