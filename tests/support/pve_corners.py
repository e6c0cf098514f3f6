"""Corners of a real node that fakepve rounds off: mounts that hide each other, sizes without a limit, tags' case."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fakepve.lxc import FakeCt, parse_mount
from fakepve.model import PveError

from tests.support.pve_images import Images

if TYPE_CHECKING:
    from collections.abc import Mapping

BTRFS = {"type": "btrfs", "path": "/var/lib/pve/local-btrfs", "active": 1, "content": "rootdir,images", "files": set()}
"""A storage whose raw images lie in subvolumes, each as `disk.raw`."""


class Corners(Images):
    """Base of the strict simulator."""

    tags_case_sensitive = False
    """The datacenter's `tag-style`: whether the case of tags is kept, or all are written small."""

    registered_tags = frozenset[str]()
    """Those that it takes Sys.Modify on `/` to set or to take away (`registered-tags`)."""

    tags_free = True
    """Whether others may be set without it that no guest has yet (`user-tag-access`: `free`, or `existing`)."""

    grown_by_hand: dict[int, int]
    """By CTID: the GiB that its root disk has, which its configuration does not show (`lvextend` on the node)."""

    replicated: frozenset[int] = frozenset()
    """The CTIDs that have a replication job, `CTID-0`."""

    left_disks: dict[int, str]
    """By CTID: the disk of btrfs that a worker left which was killed between the subvolume and its `disk.raw`.

    It is in no list, so its name is taken for free, and whoever makes that CTID again fails over it. Of a storage that
    has no files, what its tool says of the name."""
    freed: list[str]
    """The volumes that a client freed."""
    creates: list[dict[str, Any]]
    not_grown: tuple[str, ...] = ()
    """What the log of a resize says whose file system did not grow; its task ends `OK` all the same."""

    done_all_the_same: Mapping[str, str] = MappingProxyType({})
    """By kind: how tasks end although they have done their work."""

    warnings: set[str]
    """Kinds of tasks that end `WARNINGS: 1`, such as `vzstart`."""

    def _warned(self, kind: str, guest: str) -> str:
        """Write a warning into the log of a task, and return how it ends then; nothing where it warns of nothing."""
        if kind not in self.warnings:
            return ""
        running = (one for one in reversed(self.tasklog) if (one["type"], one["id"]) == (kind, guest))
        next(running)["log"].append(f"WARN: something is odd about this {kind}")
        return "WARNINGS: 1"

    def visible(self, ctid: int) -> list[str]:
        """The mounts that can be seen in a container: each is mounted over what is there, `mp0` first."""
        numbers = sorted(int(key[2:]) for key in self.ct(ctid).config if key.startswith("mp"))
        seen: list[str] = []
        for number in numbers:
            path = parse_mount(self.ct(ctid).config[f"mp{number}"])["mp"]
            seen = [*(one for one in seen if not one.startswith(f"{path}/")), path]
        return seen

    def cut_off(self, upid: str) -> None:
        """Kill the worker of a clone or create between the two; what it had started takes the configuration away."""
        made = next(entry.made for entry in self.intervals if entry.upid == upid)
        self.left_disks[made] = f"{BTRFS['path']}/images/{made}/vm-{made}-disk-0"
        self.kill_worker(upid)

    def _die_half_way(self, made: FakeCt | None) -> None:
        if made is not None and made.vmid in self.left_disks:
            self._drop(made)

    def _in_the_way(self, kind: str, made: FakeCt | None) -> str:
        """The end of a task that would make a disk where one was left."""
        path = self.left_disks.get(made.vmid) if made is not None else None
        if path is None:
            return self._no_room(kind, made)
        said = f"disk image '{path}' already exists" if path.startswith("/") else path
        return f"{kind.removeprefix('vz')} failed: {said}"

    def _no_room(self, kind: str, made: FakeCt | None) -> str:
        """The end of a creation whose root disk a storage of the type lvm, which is thick, has no room for."""
        if kind != "vzcreate" or made is None:
            return ""
        orders = [order for order in self.creates if int(order["vmid"]) == made.vmid]
        name, _, size = str(orders[-1].get("rootfs", "")).partition(":")
        store, extents = self.storages.get(name, {}), int(size.partition(",")[0] or 0) << 8
        if store.get("type") != "lvm" or extents <= store.get("avail", 1 << 60) >> 22:
            return ""
        why = f"insufficient free space ({store['avail'] >> 22} extents): {extents} required."
        return f"unable to create CT {made.vmid} - lvcreate 'pve/x' error: Volume group \"pve\" has {why}"

    async def _content_delete(self, v: dict[str, Any], user: str) -> Any:
        answer = await super()._content_delete(v, user)
        volume = v["volume"].partition(":")[2]
        self.freed.append(v["volume"])
        for ctid in [one for one in self.left_disks if volume in {f"{one}/vm-{one}-disk-0.raw", f"vm-{one}-disk-0"}]:
            del self.left_disks[ctid]
        return answer

    async def _ct_task(self, ct: Any, ttype: str, user: str, body: Any, **how: Any) -> Any:
        log = list(how.pop("log", ()))
        more = self.not_grown if ttype == "resize" else ()
        return await super()._ct_task(ct, ttype, user, body, log=[*log, *more], **how)

    def _routes_options(self) -> list[tuple[str, str, Any]]:
        return [("GET", "/cluster/options", self._options), ("GET", "/cluster/replication", self._replication)]

    async def _replication(self, _v: dict[str, Any], user: str) -> list[dict[str, Any]]:
        shown = [ctid for ctid in sorted(self.replicated) if self.allowed(user, f"/vms/{ctid}", "VM.Audit")]
        return [{"id": f"{ctid}-0", "guest": ctid, "jobnum": 0, "target": "pve2", "type": "local"} for ctid in shown]

    async def _lxc_destroy(self, user: str, v: dict[str, Any]) -> Any:
        if int(v["vmid"]) in self.replicated and not v.get("purge"):
            job = f"There is a replication job '{v['vmid']}-0' for guest '{v['vmid']}'"
            raise PveError(500, f"{job} - Please remove that first.")
        return await super()._lxc_destroy(user, v)

    async def _options(self, _v: dict[str, Any], user: str) -> dict[str, Any]:
        """Without Sys.Audit on `/` it shows the style alone, and which tags the user may set."""
        style = {"case-sensitive": 1, "shape": "full"} if self.tags_case_sensitive else {"shape": "full"}
        shown = {"tag-style": style, "allowed-tags": sorted(self._tags() - self.registered_tags)}
        if not self.allowed(user, "/", "Sys.Audit"):
            return shown
        access = {} if self.tags_free else {"user-tag-access": {"user-allow": "existing"}}
        registered = {"registered-tags": sorted(self.registered_tags)} if self.registered_tags else {}
        return {"keyboard": "en-us", "mac_prefix": "BC:24:11", **shown, **access, **registered}

    def _tags(self) -> set[str]:
        return {tag for ct in self.cts for tag in re.split(r"[;, ]+", str(ct.config.get("tags", ""))) if tag}

    def _write_tags(self, ctid: int, values: dict[str, Any]) -> None:
        """Keep the case of tags, which fakepve writes small."""
        tags = values.get("tags")
        if tags and self.tags_case_sensitive:
            self.ct(ctid).config["tags"] = ";".join(sorted({tag for tag in re.split(r"[;, ]+", str(tags)) if tag}))

    def _refuse_tags(self, ctid: int, values: dict[str, Any], user: str) -> None:
        """`assert_tag_permissions`: each tag that is set or taken away counts, in its own case."""
        if "tags" in values and not self.allowed(user, "/", "Sys.Modify"):
            old, new = (
                set(re.split(r"[;, ]+", str(text))) for text in (self.ct(ctid).config.get("tags", ""), values["tags"])
            )
            strange = set() if self.tags_free else (old ^ new) - self._tags() - {""}
            for tag in sorted((old ^ new) & self.registered_tags | strange):
                raise PveError(403, f"Permission check failed (/, Sys.Modify for modifying tag '{tag}')")

    def _spell_tags(self, created: Any) -> None:
        orders = {int(order["vmid"]): order for order in self.creates}
        self._write_tags(created.vmid, orders[created.vmid])
        # What is named is not found out (`PVE::LXC::Setup::new`, `detect_architecture`); fakepve finds it out again.
        named = {key: orders[created.vmid].get(key) for key in ("ostype", "arch")}
        created.config.update({key: value for key, value in named.items() if value})
        self._decide(created, orders[created.vmid])

    def as_bytes(self, value: Any) -> Any:
        """Show what stands in the file, which is read as bytes, each for a character.

        Proxmox writes Latin-1 where that is enough, and UTF-8 where it is not; editors on the node write UTF-8.
        """
        if isinstance(value, list):
            return [[key, text.encode().decode("latin-1")] for key, text in value]
        if not isinstance(value, str):
            return value
        try:
            return value.encode("latin-1").decode("latin-1")
        except UnicodeEncodeError:
            return value.encode().decode("latin-1")

    def rescan(self, ctid: int) -> None:
        """`pct rescan --vmid CTID`: show the size that the root disk has."""
        container = self.ct(ctid)
        size = self.grown_by_hand.pop(ctid)
        container.config["rootfs"] = re.sub(r"size=\w+", f"size={size}G", container.config["rootfs"])

    async def _lxc_resize(self, user: str, v: dict[str, Any]) -> Any:
        disk, size = parse_mount(self.ct(int(v["vmid"])).config[v["disk"]]), self.grown_by_hand.get(int(v["vmid"]))
        if size is not None and v["disk"] == "rootfs" and float(v["size"].removesuffix("G")) <= size:
            same = f"{size}G" == v["size"]
            raise PveError(500, "disk is already at specified size" if same else "unable to shrink disk size")
        if disk.get("size") == "0T":
            raise PveError(500, "unable to resize a volume without a limit")
        return await super()._lxc_resize(user, v)
