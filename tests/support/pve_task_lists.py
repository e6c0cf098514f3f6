"""Lists of tasks as Proxmox answers with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fakepve.model import PveError
from fakepve.server import FakePve, ok

if TYPE_CHECKING:
    import asyncio

    from aiohttp import web


@dataclass
class Interval:
    """One task of the node, in seconds of `time.monotonic`. `guest` is the id in the UPID: a clone's *source*."""

    upid: str
    kind: str
    guest: str
    user: str
    start: float
    end: float | None = None
    made: int | None = None
    """The CTID that a clone or create makes."""


class Work:
    """A task's body while it runs."""

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        self.fate: str | None = None


class TaskLists(FakePve):  # type: ignore[misc] # fakepve publishes no types
    """Base of the strict simulator, which keeps when each task began."""

    intervals: list[Interval]
    clock_ahead: float

    def _upid(self, node: str, ttype: str, tid: int | str, user: str) -> tuple[str, int, int]:
        """By the node's own clock, as fork_worker of pve-common's RESTEnvironment makes it."""
        upid, pid, start = super()._upid(node, ttype, tid, user)
        there = start + round(self.clock_ahead)
        return upid.replace(f":{start:08X}:", f":{there:08X}:"), pid, there

    def _task_view(self, task: dict[str, Any], listing: bool = False) -> dict[str, Any]:  # noqa: FBT002 - fakepve's
        view: dict[str, Any] = super()._task_view(task, listing)
        view["user"] = view["user"].partition("!")[0]
        return view

    async def _task_list(self, request: web.Request) -> web.Response:
        """Newest first also within a second; by default nothing that still runs."""
        lines = json.loads((await super()._task_list(request)).text)["data"]
        source = request.query.get("source", "archive")
        begun = {entry.upid: entry.start for entry in self.intervals}
        wanted = [line for line in lines if source in {"all", "archive" if "endtime" in line else "active"}]
        answer: web.Response = ok(sorted(wanted, key=lambda line: -begun.get(line["upid"], 0.0)))
        return answer

    def _get_task(self, request: web.Request) -> dict[str, Any]:
        if request.match_info["upid"] not in self.tasks:
            raise PveError(400, "Parameter verification failed.", {"upid": "no such task"})
        task: dict[str, Any] = super()._get_task(request)
        return task
