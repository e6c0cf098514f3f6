"""Corners of a real node that fakepve rounds off: mounts that hide each other, sizes without a limit, tags' case."""

from __future__ import annotations

import re
from typing import Any

from fakepve.lxc import parse_mount
from fakepve.model import PveError

from tests.support.pve_images import Images


class Corners(Images):
    """Base of the strict simulator."""

    tags_case_sensitive = False
    """The datacenter's `tag-style`: whether the case of tags is kept, or all are written small."""

    creates: list[dict[str, Any]]
    not_grown: tuple[str, ...] = ()
    """What the log of a resize says whose file system did not grow; its task ends `OK` all the same."""

    def visible(self, ctid: int) -> list[str]:
        """The mounts that can be seen in a container: each is mounted over what is there, `mp0` first."""
        numbers = sorted(int(key[2:]) for key in self.ct(ctid).config if key.startswith("mp"))
        seen: list[str] = []
        for number in numbers:
            path = parse_mount(self.ct(ctid).config[f"mp{number}"])["mp"]
            seen = [*(one for one in seen if not one.startswith(f"{path}/")), path]
        return seen

    async def _ct_task(self, ct: Any, ttype: str, user: str, body: Any, **how: Any) -> Any:
        log = list(how.pop("log", ()))
        more = self.not_grown if ttype == "resize" else ()
        return await super()._ct_task(ct, ttype, user, body, log=[*log, *more], **how)

    def _routes_options(self) -> list[tuple[str, str, Any]]:
        return [("GET", "/cluster/options", self._options)]

    async def _options(self, _v: dict[str, Any], _user: str) -> dict[str, Any]:
        style = {"case-sensitive": 1, "shape": "full"} if self.tags_case_sensitive else {"shape": "full"}
        return {"keyboard": "en-us", "mac_prefix": "BC:24:11", "tag-style": style}

    def _write_tags(self, ctid: int, values: dict[str, Any]) -> None:
        """Keep the case of tags, which fakepve writes small."""
        tags = values.get("tags")
        if tags and self.tags_case_sensitive:
            self.ct(ctid).config["tags"] = ";".join(sorted({tag for tag in re.split(r"[;, ]+", str(tags)) if tag}))

    def _spell_tags(self, created: Any) -> None:
        orders = {int(order["vmid"]): order for order in self.creates}
        self._write_tags(created.vmid, orders[created.vmid])
        # What is named is not found out (`PVE::LXC::Setup::new`, `detect_architecture`); fakepve finds it out again.
        named = {key: orders[created.vmid].get(key) for key in ("ostype", "arch")}
        created.config.update({key: value for key, value in named.items() if value})
        self._decide(created, orders[created.vmid])

    async def _lxc_resize(self, user: str, v: dict[str, Any]) -> Any:
        disk = parse_mount(self.ct(int(v["vmid"])).config[v["disk"]])
        if disk.get("size") == "0T":
            raise PveError(500, "unable to resize a volume without a limit")
        return await super()._lxc_resize(user, v)
