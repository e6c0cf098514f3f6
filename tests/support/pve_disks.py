"""Linked clones and their bases, and what has no snapshots, as Proxmox's storages know them."""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from fakepve.lxc import parse_mount
from fakepve.model import PveError, TaskError
from fakepve.server import FakePve

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

WITHOUT_DISKS: ContextVar[bool] = ContextVar("without_disks", default=False)
"""Whether this task has removed the disks of the container that it destroys."""


class Disks(FakePve):  # type: ignore[misc] # fakepve publishes no types
    """Base of the strict simulator. `bases` has the volumes of the source of each linked clone under way."""

    bases: dict[int, dict[str, str]]
    purge_secs = 0.0
    """Seconds for which what is destroyed shows `lock: destroyed`, while what names it is cleaned up."""

    free_secs = 0.0
    """Seconds that the deletion of a volume takes."""

    async def task(self, node: str, ttype: str, tid: Any, user: str, body: Any, **how: Any) -> str:
        async def slowly() -> Any:
            await self.pause(self.free_secs)
            return await body()

        upid: str = await super().task(node, ttype, tid, user, slowly if ttype == "imgdel" else body, **how)
        return upid

    async def _ct_task(self, ct: Any, ttype: str, user: str, body: Any, **how: Any) -> Any:
        work = self._disks_first(body) if ttype == "vzdestroy" else body
        return await super()._ct_task(ct, ttype, user, work, **how)

    def _disks_first(self, body: Callable[[], Coroutine[Any, Any, Any]]) -> Callable[[], Coroutine[Any, Any, Any]]:
        """As `PVE::LXC::destroy_lxc_container`: until all disks are gone, the configuration is whole and unlocked."""

        async def destroy() -> Any:
            await self.pause(self.ct_secs["destroy"])
            WITHOUT_DISKS.set(True)
            return await body()

        return destroy

    def link(self, clone: Any) -> None:
        """Name a linked clone's volumes as storages do that know whose clones they are."""
        for key, base in self.bases.pop(clone.vmid, {}).items():
            storage, _, name = base.partition(":")
            if self.storages[storage]["type"] == "zfspool":
                clone.config[key] = clone.config[key].replace(f"{storage}:", f"{storage}:{name}/", 1)

    def refuse_used_bases(self, ctid: int) -> None:
        """Fail as `PVE::Storage::vdisk_free` does. LVM-thin lets a base go that clones were made of."""
        bases = [mount["volume"] for _, mount in self.ct(ctid).volumes()]
        volumes = [mount["volume"] for ct in self.cts for _, mount in ct.volumes()]
        for base in bases:
            if any(volume.startswith(f"{base}/") for volume in volumes):
                raise TaskError(f"base volume '{base.partition(':')[2]}' is still in use by linked clones")

    def refuse_bind_mounts(self, ctid: int) -> None:
        """Fail as `PVE::LXC::Config::has_feature` does: what is no volume of a storage has no snapshots."""
        config = self.ct(ctid).config
        if any(key.startswith("mp") and value.startswith("/") for key, value in config.items()):
            raise TaskError("snapshot feature is not available")

    def refuse_no_templates(self, ctid: int) -> None:
        """Fail as `template_create` does of a directory of the node, and of a volume on LVM that is not thin."""
        for key, value in self.ct(ctid).config.items():
            if re.fullmatch(r"rootfs|mp\d+", key):
                volume = parse_mount(value)["volume"]
                if volume.startswith("/") or self.storages[volume.partition(":")[0]]["type"] == "lvm":
                    raise TaskError(f"Template feature is not available for '{volume}'")

    def need_linked_clones(self, rootfs: str) -> None:
        volume = parse_mount(rootfs)["volume"]
        if self.storages[volume.partition(":")[0]]["type"] in {"dir", "nfs", "lvm"}:
            raise PveError(500, f"Linked clone feature for '{volume}' is not available")
