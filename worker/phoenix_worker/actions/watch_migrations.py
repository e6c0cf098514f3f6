"""How the watcher sees that a container has come to a node: Proxmox's HA was only asked to migrate it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.proxmox.upid import Upid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenix_worker.core.model.ports import Proxmox, ProxmoxTask

_BEGIN_LIMIT = 300.0
"""Seconds after which HA, which shuts a running container down before it migrates it, never will; usual are 20."""


def arrival_seen(proxmox: Proxmox, watch: Mapping[str, str], elapsed: float) -> dict[str, Any] | None:
    """Look where it stands; if HA has tried and failed, how that ended. HA tries once."""
    source, target, ctid = watch["source"], watch["home"], int(watch["ctid"])
    seen = proxmox.observe_template(source, ctid)
    if seen.node == target and seen.lock != "migrate":
        return {"done": True, "exit": "OK", "log": []}
    begun = _begun(proxmox.recent_tasks(source, ctid), watch)
    if begun is not None:
        end = None if begun.running else proxmox.task_end(begun.upid)
        if end is None:
            return None
        # One that came, and is not there, was moved on or destroyed since.
        return {"done": end.succeeded, "exit": end.exit_status, "log": list(end.log_tail)}
    if elapsed <= _BEGIN_LIMIT:
        return None
    error = PermanentError(
        f"CT {ctid} is still on {source}: Proxmox's HA has not begun to migrate it to {target} in {_BEGIN_LIMIT:g} s.",
        cause="ha-ignores",
        remedy="See on a node what HA says: `ha-manager status`; its rules or groups may forbid that node.",
    )
    return {"done": False, "error": {"message": error.message, "cause": error.cause, "remedy": error.remedy}}


def _begun(tasks: list[ProxmoxTask], watch: Mapping[str, str]) -> ProxmoxTask | None:
    """Return the migration that followed the task which asked HA for it, both of the node that it leaves.

    It was not listed before. An older worker has not told what was: then the node's clock decides.
    """
    asked, earlier = Upid.parse(watch["asked"]), watch.get("earlier")

    def is_later(task: ProxmoxTask) -> bool:
        return Upid.parse(task.upid).began >= asked.began if earlier is None else task.upid not in earlier.split()

    return next((task for task in tasks if task.kind == "vzmigrate" and is_later(task)), None)
