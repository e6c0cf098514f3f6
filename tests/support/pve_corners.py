"""Corners of a real node that fakepve rounds off: mounts that hide each other, sizes without a limit."""

from __future__ import annotations

from typing import Any

from fakepve.lxc import parse_mount
from fakepve.model import PveError
from fakepve.server import FakePve


class Corners(FakePve):  # type: ignore[misc] # fakepve publishes no types
    """Base of the strict simulator."""

    def visible(self, ctid: int) -> list[str]:
        """The mounts that can be seen in a container: each is mounted over what is there, `mp0` first."""
        numbers = sorted(int(key[2:]) for key in self.ct(ctid).config if key.startswith("mp"))
        seen: list[str] = []
        for number in numbers:
            path = parse_mount(self.ct(ctid).config[f"mp{number}"])["mp"]
            seen = [*(one for one in seen if not one.startswith(f"{path}/")), path]
        return seen

    async def _lxc_resize(self, user: str, v: dict[str, Any]) -> Any:
        disk = parse_mount(self.ct(int(v["vmid"])).config[v["disk"]])
        if disk.get("size") == "0T":
            raise PveError(500, "unable to resize a volume without a limit")
        return await super()._lxc_resize(user, v)
