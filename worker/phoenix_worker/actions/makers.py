"""The running tasks of Proxmox that may be making a CTID: whatever can hold its `lock: create`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phoenix_worker.core.model.ports import Proxmox, ProxmoxTask

_CLONE = "vzclone"
ORDERED = frozenset({"vzcreate", _CLONE})
"""The kinds of tasks that we order."""
_OF_THE_CTID = frozenset(
    {
        "vzcreate",
        "vzrestore",
        "vzmigrate",
        "vzmtunnel",
        "qmcreate",
        "qmrestore",
        "qmclone",
        "qmigrate",
        "qmtunnel",
    }
)
"""Kinds of tasks that make the guest that their UPID names."""


def running_makers(
    proxmox: Proxmox, ctid: int, nodes: Iterable[str], source: int | None, origin: int | None = None
) -> list[ProxmoxTask]:
    """List the tasks that may be making a CTID now: those that name it, or else clones, which name their source.

    Of those one of `source`, or of what its marker names as its `origin`, comes before somebody else's of whatever.
    The catalog may declare another template by now.
    """
    me = proxmox.whoami()
    tasks = [task for node in dict.fromkeys(nodes) for task in proxmox.running_tasks(node)]
    naming = [task for task in tasks if task.kind in _OF_THE_CTID and task.guest == str(ctid)]
    sources = {str(source), str(origin)}
    clones = [task for task in tasks if task.kind == _CLONE and (task.guest in sources or task.user != me)]
    return naming or sorted(clones, key=lambda task: task.guest not in sources)
