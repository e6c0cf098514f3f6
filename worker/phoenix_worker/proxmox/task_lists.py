"""The part of the API that lists the tasks of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.model.ports import ProxmoxTask
from phoenix_worker.proxmox.translate import Request
from phoenix_worker.proxmox.upid import Upid

if TYPE_CHECKING:
    from phoenix_worker.proxmox.connection import Connection

_TASKS = 50
_RUNNING_TASKS = 500


class TaskLists:
    """Base of the API."""

    _connection: Connection

    def recent_tasks(self, node: str, ctid: int) -> list[ProxmoxTask]:
        """Ask `GET …/tasks`. `source=all`, because by default it leaves out what still runs."""
        return self._tasks(node, f"of CT {ctid}", vmid=ctid, source="all", limit=_TASKS)

    def running_tasks(self, node: str) -> list[ProxmoxTask]:
        """Ask `GET …/tasks` with `source=active`, which lists what has just ended too."""
        tasks = self._tasks(node, "that run", source="active", limit=_RUNNING_TASKS)
        return [task for task in tasks if task.running]

    def _tasks(self, node: str, which: str, **params: str | int) -> list[ProxmoxTask]:
        request = Request(
            "GET", f"nodes/{node}/tasks", f"list the tasks {which} on {node}", f"Sys.Audit on /nodes/{node}"
        )
        lines = self._connection.rows(request, **params)
        # Proxmox takes the token's name out of `user`; the UPID has it.
        tasks = [(Upid.parse(line["upid"]), "endtime" not in line) for line in lines]
        tasks.sort(key=lambda task: task[0].began, reverse=True)
        return [ProxmoxTask(task.text, task.kind, task.user, runs, task.started, task.guest) for task, runs in tasks]
