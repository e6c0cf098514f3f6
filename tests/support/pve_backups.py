"""Backups and their restores, and starts that fail at once, as a real node has them and fakepve does not."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from fakepve.lxc import parse_mount
from fakepve.model import PveError, TaskError
from fakepve.routing import split_list
from fakepve.server import FakePve

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_KIB = 1024
_ARCHIVE_KIB = 3000


class Backups(FakePve):  # type: ignore[misc] # fakepve publishes no types
    """Base of the strict simulator."""

    bridges: set[str]

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self._archives: dict[str, dict[str, Any]] = {}
        self._unpacking: dict[int, float] = {}
        """Seconds that the next restore of a CTID takes for its limit of bandwidth."""

    def _routes_backups(self) -> list[tuple[str, str, Any]]:
        return [("POST", "/nodes/{node}/vzdump", self._back_up)]

    async def _back_up(self, v: dict[str, Any], user: str) -> Any:
        """Write an archive of one container, and keep the archives that there are: `remove=0`."""
        if v.get("remove") is None or v["remove"]:
            raise PveError(400, "Parameter verification failed.", {"remove": "other archives would be pruned"})
        ctid, storage = int(v["vmid"]), v["storage"]
        self.require(user, f"/vms/{ctid}", "VM.Backup")
        self.require(user, f"/storage/{storage}", "Datastore.AllocateSpace")
        if "backup" not in split_list(self.storages[storage]["content"]):
            raise PveError(500, f"storage '{storage}' does not support backups")
        container = self._find_ct(v["node"], ctid)

        async def body() -> None:
            name = f"backup/vzdump-lxc-{ctid}-{time.strftime('%Y_%m_%d-%H_%M_%S')}.tar.zst"
            self._archives[f"{storage}:{name}"] = {
                key: value for key, value in container.config.items() if key != "lock"
            }
            entry = {"content": "backup", "format": "tar.zst", "size": _ARCHIVE_KIB * _KIB, "vmid": ctid}
            self.storages[storage].setdefault("volumes", {})[name] = entry

        return await self._ct_task(container, "vzdump", user, body)

    async def _lxc_create(self, user: str, v: dict[str, Any]) -> Any:
        if not v.get("restore"):
            return await super()._lxc_create(user, v)
        overwritten = self.ct(int(v["vmid"])) if v.get("force") else None
        upid = await super()._lxc_create(user, {**self._archived(v), **v})
        if overwritten is not None:
            # Until the archive is unpacked, what is overwritten stays as it is, but for its lock.
            self.ct(int(v["vmid"])).config = {**overwritten.config, "lock": "create"}
        return upid

    def _archived(self, order: dict[str, Any]) -> dict[str, Any]:
        """What a restore takes from its archive: `PVE::LXC::Create::recover_config`."""
        archived = self._archives.get(order["ostemplate"])
        if archived is None:
            return {}
        if order.get("bwlimit"):
            self._unpacking[int(order["vmid"])] = _ARCHIVE_KIB / float(order["bwlimit"])
        disk = parse_mount(archived["rootfs"])
        where = order.get("storage") or disk["volume"].partition(":")[0]
        return archived | {"rootfs": f"{where}:{disk['size'].removesuffix('G')}"}

    async def task(
        self, node: str, ttype: str, tid: int | str, user: str, body: Callable[[], Coroutine[Any, Any, Any]], **how: Any
    ) -> str:
        async def unpack() -> Any:
            await self.pause(self._unpacking.pop(int(tid), 0.0))
            return await body()

        upid: str = await super().task(node, ttype, tid, user, unpack if ttype == "vzrestore" else body, **how)
        return upid

    async def _start_steps(self, ct: Any, user: str, skiplock: bool = False) -> None:  # noqa: FBT002 - fakepve's
        """Fail at once where an interface has no bridge: the network script of LXC does."""
        for key, value in ct.config.items():
            bridge = re.search(r"\bbridge=([^,]+)", value) if re.fullmatch(r"net\d+", key) else None
            if bridge and bridge[1] not in self.bridges:
                raise TaskError(f"bridge '{bridge[1]}' does not exist")
        await super()._start_steps(ct, user, skiplock)
