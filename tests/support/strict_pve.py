"""fakepve, made to answer as `proxmox.md` says where it does not."""

from __future__ import annotations

import asyncio
import copy
import json
import time
from collections import defaultdict
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any

from aiohttp import web
from fakepve.lxc import FakeCt
from fakepve.model import PveError, TaskError
from fakepve.shapes import PRIVILEGES

from tests.support.conf_file import digest
from tests.support.leasing_pve import Leasing
from tests.support.migrating_pve import Migrating
from tests.support.pve_access import AccessRights
from tests.support.pve_backups import Backups
from tests.support.pve_checkup import Checkup
from tests.support.pve_corners import Corners
from tests.support.pve_disks import WITHOUT_DISKS, Disks
from tests.support.pve_ha import HaResources
from tests.support.pve_nodes import Nodes
from tests.support.pve_task_lists import Interval, TaskLists, Work
from tests.support.silent_pve import Silent
from tests.support.strict_firewall import StrictFirewall

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

FakeCt.digest = digest
"""Of the configuration file, which is read and written on the node, too."""
USER, TOKEN, SECRET = "phoenix@pve", "worker", "8a5f2c1e-0000-4000-8000-7a11c0ffee00"
TOKEN_ID = f"{USER}!{TOKEN}"
_KILLED = "unexpected status"


class SaidIn(Enum):
    """Where an error's words are. Before 2025 the body had no message; a proxy may drop the reason phrase."""

    BOTH = "both"
    REASON = "reason"
    MESSAGE = "message"


class StrictPve(
    Silent,
    Corners,
    Backups,
    AccessRights,
    StrictFirewall,
    Leasing,
    Migrating,
    Nodes,
    HaResources,
    Checkup,
    TaskLists,
    Disks,
):
    """fakepve as a real node answers. What a test may set is public; set it through `Simulator.do`."""

    def __init__(self) -> None:
        super().__init__(user="root@pam", password="unused", host="127.0.0.1", port=0)
        self.time_scale = 1.0
        self.ct_secs |= {"template": 0.035, "download": 0.0}
        self.start_secs = 0.0
        """Seconds that the start of any container takes."""
        self.said_in = SaidIn.BOTH
        self.redirect_to = ""
        self.foreign: tuple[str, Any] | None = None
        """The end of a path, and the `data` that every GET of such a path is answered with."""
        self.numbers_as_words = False
        """Whether numbers come in quotes, as Perl sends those that were used as words."""
        self.resources_lag = True
        """`/cluster/resources` shows name, status, lock and template flag as of the last `refresh_resources`."""
        self.stale_rows: list[dict[str, Any]] = []
        self.warnings = set()
        self.task_failures: dict[str, list[str]] = defaultdict(list)
        """By kind: how the next tasks end instead of doing their work."""
        self.creates: list[dict[str, Any]] = []
        """The parameters of every create."""
        self.harmed: list[int] = []
        """CTIDs whose disks were destroyed or renamed while the cluster had no quorum."""
        self.destroyed: list[dict[str, Any]] = []
        """The parameters of every destroy."""
        self.left_disks, self.grown_by_hand = {}, {}
        self.freed = []
        self.aborted: list[str] = []
        """The UPIDs that a client asked to stop."""
        self.hotplug_refused = ""
        """Why the node's kernel refuses every volume that is added to a running container."""
        self.appliances: list[str] = []
        """The file names in the index of OS templates."""
        self.bridges = {"vmbr0"}
        """Of every node."""
        self.clock_ahead = 0.0
        """Seconds that the nodes' clocks are before this machine's."""
        self.certificate_days: int | None = 365
        """None leaves it out of the answer."""
        self.intervals: list[Interval] = []
        self.cloned_from: dict[int, int] = {}
        """The source of each clone that was asked for, by the new CTID."""
        self._hurry = asyncio.Event()
        self._work: dict[str, Work] = {}
        self._published: dict[int, dict[str, Any]] = {}
        self.apitokens[TOKEN_ID] = SECRET
        # With any grant the fake checks privileges, and those that a token can never have.
        self.grant(TOKEN_ID, "/", *PRIVILEGES)
        self.storages["local-dir"] = {"type": "dir", "active": 1, "content": "rootdir", "path": "/srv", "files": set()}
        self.storages["local-zfs"] = {
            "type": "zfspool",
            "active": 1,
            "content": "rootdir,images",
            "pool": "rpool",
            "files": set(),
        }
        self.bases: dict[int, dict[str, str]] = {}
        self.storages["local"]["volumes"] = {
            "vztmpl/debian-13-standard_13.1-1_amd64.tar.zst": {"content": "vztmpl", "format": "tzst", "size": 1}
        }

    # What a test does to the cluster

    def refresh_resources(self) -> None:
        """Let `/cluster/resources` catch up."""
        self._published = {row["vmid"]: row for row in super().ct_resources("root@pam")}

    def kill_worker(self, upid: str) -> None:
        """Kill the Proxmox worker of a task: it ends `unexpected status`, and its locks stay for ever."""
        self._end(upid, _KILLED)

    def has_begun(self, upid: str) -> bool:
        """Whether a task is past the moment in which it waits for its turn on the loop."""
        return self._work[upid].task is not None

    def abort(self, upid: str) -> None:
        """Stop a clone or create as an administrator does: its container and all locks are gone."""
        self._end(upid, f"{self.tasks[upid]['type'].removeprefix('vz')} failed: interrupted by signal")

    def hurry(self) -> None:
        """Let whatever takes its time just now be done with it at once."""
        self._hurry.set()
        self._hurry = asyncio.Event()

    async def pause(self, secs: float) -> None:
        secs = self.purge_secs if WITHOUT_DISKS.get() else secs
        if secs and self.time_scale:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), secs * self.time_scale)

    def _routes_tasks(self) -> list[tuple[str, str, Any]]:
        return [("DELETE", "/nodes/{node}/tasks/{upid}", self._stop_task)]

    async def _stop_task(self, v: dict[str, Any], user: str) -> None:
        task = self.tasks[v["upid"]]
        if not self._task_owner(user, task):
            self.require(user, f"/nodes/{v['node']}", "Sys.Modify")
        self.aborted.append(v["upid"])
        if task["status"] == "running":
            self.abort(v["upid"])

    def forget(self, upid: str) -> None:
        """Lose a task, as the rotation of task logs does."""
        self.tasklog.remove(self.tasks.pop(upid))

    # Errors on the wire

    def _build_app(self) -> web.Application:
        app: web.Application = super()._build_app()
        app.middlewares.insert(0, self._wire)
        return app

    @web.middleware
    async def _wire(self, request: web.Request, handler: Callable[..., Any]) -> web.StreamResponse:
        if self.redirect_to:
            raise web.HTTPFound(self.redirect_to)
        if self.foreign is not None and request.method == "GET" and request.path.endswith(f"/{self.foreign[0]}"):
            return web.json_response({"data": self.foreign[1]})
        response: web.Response = await handler(request)
        self.answered(request.path)
        if self.numbers_as_words and response.content_type == "application/json":
            response.text = json.dumps(_in_words(json.loads(response.text or "null")))
        if response.status == web.HTTPUnauthorized.status_code:
            response.text = ""
        elif response.status >= web.HTTPBadRequest.status_code and response.content_type == "application/json":
            if self.said_in is SaidIn.REASON:
                response.text = json.dumps({k: v for k, v in json.loads(response.text or "").items() if k != "message"})
            elif self.said_in is SaidIn.MESSAGE:
                response.set_status(response.status, "")
        return response

    # What is live and what lags

    def ct_resources(self, user: str, kind: str | None = None) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = super().ct_resources(user, kind)
        return [*map(self._lagging, rows), *self.stale_rows] if self.resources_lag else rows

    def _lagging(self, row: dict[str, Any]) -> dict[str, Any]:
        place = {key: row[key] for key in ("id", "type", "node", "vmid", "pool", "hastate") if key in row}
        return {"status": "unknown"} | self._published.get(row["vmid"], {}) | place

    async def _lxc_config_get(self, user: str, v: dict[str, Any]) -> dict[str, Any]:
        config: dict[str, Any] = await super()._lxc_config_get(user, v)
        if "description" in config:
            config["description"] += "\n"
        return {key: value if key == "description" else self.as_bytes(value) for key, value in config.items()}

    async def _update_config(
        self, ct: Any, user: str, values: dict[str, Any], deletes: list[str], reverts: list[str]
    ) -> None:
        volumes = [key for key in values if key.startswith("mp") and key not in ct.config]
        if volumes and ct.status == "running" and self.hotplug_refused:
            wrong = {key: f"unable to hotplug {key}: {self.hotplug_refused}" for key in volumes}
            raise PveError(400, "Parameter verification failed.", wrong)
        self._refuse_tags(ct.vmid, values, user)
        await super()._update_config(ct, user, values, deletes, reverts)
        self._write_tags(ct.vmid, values)

    # Creating, cloning, templates, starting

    async def _lxc_create(self, user: str, v: dict[str, Any]) -> Any:
        self.creates.append(dict(v))
        self.cloned_from.pop(int(v["vmid"]), None)
        if v.get("tags") is not None:
            self.require(user, f"/vms/{v['vmid']}", "VM.Config.Options")
        if v.get("unprivileged") is None and not v.get("restore"):
            raise PveError(
                400, "Parameter verification failed.", {"unprivileged": "its default depends on the version"}
            )
        return await super()._lxc_create(user, v)

    async def _lxc_clone(self, user: str, v: dict[str, Any]) -> Any:
        source = self.ct(int(v["vmid"]))
        self.cloned_from[int(v["newid"])] = int(v["vmid"])
        if source is not None and not v.get("full"):
            if not source.template:
                v["full"] = 1
            elif not source.lock:
                self.need_linked_clones(source.config["rootfs"])
                self.bases[int(v["newid"])] = {key: mount["volume"] for key, mount in source.volumes()}
        upid = await super()._lxc_clone(user, v)
        self._firewalls[int(v["newid"])] = copy.deepcopy(self.firewall_config("ct", vmid=v["vmid"]))
        return upid

    @property
    def _firewalls(self) -> dict[int, Any]:
        """The firewall of each guest; a clone gets a copy of its source's, and a destroyed guest leaves none."""
        guests: dict[int, Any] = self._fw()["guests"]
        return guests

    def _drop(self, ct: Any) -> None:
        super()._drop(ct)
        self._firewalls.pop(ct.vmid, None)
        for who, grants in (self.acl or {}).items():
            self.acl[who] = [grant for grant in grants if grant[0] != f"/vms/{ct.vmid}"]

    async def _lxc_template(self, user: str, v: dict[str, Any]) -> None:
        self._harm_without_quorum(v)
        await super()._lxc_template(user, v)

    async def _lxc_destroy(self, user: str, v: dict[str, Any]) -> Any:
        self._harm_without_quorum(v)
        self.destroyed.append(dict(v))
        return await super()._lxc_destroy(user, v)

    def _harm_without_quorum(self, v: dict[str, Any]) -> None:
        """Neither request looks at the quorum: it does its damage to the disks, and then cannot write to /etc/pve."""
        if not self.quorate:
            self.harmed.append(int(v["vmid"]))
            raise PveError(500, "unable to open file '/etc/pve/nodes/pve/lxc' - Permission denied")

    async def _start_steps(self, ct: Any, user: str, skiplock: bool = False) -> None:  # noqa: FBT002 - fakepve's
        await self.pause(self.start_secs)
        await super()._start_steps(ct, user, skiplock)

    # Tasks

    async def task(
        self, node: str, ttype: str, tid: int | str, user: str, body: Callable[[], Coroutine[Any, Any, Any]], **how: Any
    ) -> str:
        refusals = {
            "vzdestroy": self.refuse_used_bases,
            "vztemplate": self.refuse_no_templates,
            "vzmigrate": self.refuse_migration,
            "vzsnapshot": self.refuse_bind_mounts,
        }
        finish = {"vzclone": self.link, "vzcreate": self._spell_tags}
        work, made = Work(), how.get("vm") if ttype in {"vzclone", "vzcreate", "vzrestore"} else None
        entry = Interval("", ttype, str(tid), user, time.monotonic(), made=made.vmid if made else None)

        async def watched() -> Any:
            try:
                if failure := self._in_the_way(ttype, made) or self._next_failure(ttype):
                    self._undo(ttype, str(tid), made)
                    raise TaskError(failure)
                if ttype in refusals:
                    refusals[ttype](int(tid))
                work.task = asyncio.ensure_future(body())
                note = await work.task
                finish.get(ttype, lambda _: None)(made)
            except asyncio.CancelledError:
                if work.fate is None:
                    raise
                if work.fate != _KILLED:
                    self._undo(ttype, str(tid), made)
                else:
                    self._die_half_way(made)
                    if ttype == "vzclone":
                        self.ct(int(tid)).lock = "disk"
                raise TaskError(work.fate) from None
            finally:
                entry.end = time.monotonic()
            if end := self.done_all_the_same.get(ttype, self._warned(ttype, str(tid))):
                raise TaskError(end)
            return note

        entry.upid = await super().task(node, ttype, tid, user, watched, **how)
        self._work[entry.upid] = work
        self.intervals.append(entry)
        return entry.upid

    def _next_failure(self, kind: str) -> str:
        return self.task_failures[kind].pop(0) if self.task_failures[kind] else ""

    def _end(self, upid: str, fate: str) -> None:
        work = self._work[upid]
        work.fate = fate
        if work.task is None:
            raise AssertionError(f"{upid} has not begun")
        work.task.cancel()

    def _undo(self, kind: str, guest: str, made: Any) -> None:
        if kind == "vzclone":
            self.ct(int(guest)).lock = None
        if made is not None:
            self._drop(made)


def _in_words(value: Any) -> Any:
    """The same with every number in quotes."""
    if isinstance(value, dict):
        return {key: _in_words(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_in_words(one) for one in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
