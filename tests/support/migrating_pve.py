"""Containers that an administrator migrates: at once, for a while, or just after the simulator has answered a call."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fakepve.lxc import parse_mount
from fakepve.model import TaskError
from fakepve.server import API, FakePve

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Turn:
    """Something that happens between two calls: once `left` calls that `fits` were answered."""

    left: int
    fits: Callable[[str], bool]
    act: Callable[[], None]


class Migrating(FakePve):  # type: ignore[misc] # fakepve publishes no types
    """Base of the strict simulator."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.turns: list[Turn] = []
        self.ha_migrations_fail = ""
        """How the migrations end that HA makes, instead of doing their work."""
        self._later: set[asyncio.Task[None]] = set()
        self._targets: dict[int, str] = {}

    def move(self, ctid: int, target: str) -> bool:
        """Have a container stand on another node, as after a migration; not while a task has it locked."""
        self.nodes.setdefault(target, {"online": True})
        container = self.ct(ctid)
        if container is None or container.lock:
            return False
        container.node = target
        return True

    async def migrate(self, ctid: int, target: str, secs: float) -> None:
        """Migrate a container as an administrator does, with `lock: migrate` for so long."""
        self.nodes.setdefault(target, {"online": True})
        self.ct_secs["migrate"] = secs
        await self._lxc_migrate("root@pam", {"vmid": ctid, "node": self.ct(ctid).node, "target": target, "restart": 1})

    async def _lxc_migrate(self, user: str, v: dict[str, Any]) -> Any:
        """As `PVE::API2::LXC::migrate_vm`: of an HA resource the task only asks HA, which migrates a while later."""
        if user != "root@pam":
            self.require(user, f"/vms/{v['vmid']}", "VM.Migrate")
        self._targets[int(v["vmid"])] = v["target"]
        container = self.ct(int(v["vmid"]))
        if container is None or not container.ha_managed or container.node != v["node"] or user == "root@pam":
            return await super()._lxc_migrate(user, v)
        if container.status == "running" and not v.get("restart"):
            return await super()._lxc_migrate(user, v)
        self.need_quorum()

        async def ask() -> None:
            work = asyncio.ensure_future(self._have_ha_migrate(container, v["target"]))
            self._later.add(work)
            work.add_done_callback(self._later.discard)

        return await self._ct_task(container, "hamigrate", user, ask, lock=False)

    async def _have_ha_migrate(self, container: Any, target: str) -> None:
        """As `PVE::HA::Resources::PVECT::migrate`: stop, migrate offline, and the other node's LRM starts it."""
        await self.pause(self.ha_delay)
        running, container.status = container.status == "running", "stopped"

        async def move() -> None:
            if self.ha_migrations_fail:
                raise TaskError(self.ha_migrations_fail)
            container.lock = "migrate"
            await self.pause(self.ct_secs["migrate"])
            container.lock, container.node = None, target

        async def start() -> None:
            container.status = "running"

        await self._ct_task(container, "vzmigrate", "root@pam", move, lock=False)
        if running:
            await self.pause(self.ct_secs["migrate"] + self.ha_delay)
            await self._ct_task(container, "vzstart", "root@pam", start, lock=False)

    def refuse_migration(self, ctid: int) -> None:
        """Fail as `PVE::LXC::Migrate` does, before it has copied anything."""
        for key, value in self.ct(ctid).config.items():
            if not re.fullmatch(r"rootfs|mp\d+", key):
                continue
            volume = parse_mount(value)["volume"]
            if volume.startswith("/") and "shared=1" not in value:
                raise TaskError(f"cannot migrate local bind mount point '{key}'")
            name = volume.partition(":")[0]
            storage, target = self.storages.get(name, {}), self._targets.get(ctid, "")
            if target and storage.get("nodes") and target not in storage["nodes"].split(","):
                raise TaskError(f"storage '{name}' is not available on node '{target}'")
            base = re.search(r":(base[^/]*)/", volume)
            if base and not storage.get("shared"):
                raise TaskError(f"can't migrate local volume '{volume}': clone of '{base[1]}'")
            kept = storage.get("shared") or storage.get("type") in {"btrfs", "zfspool"}
            if self.ct(ctid).snapshots and not (kept or volume.startswith("/")):
                raise TaskError(f"can't migrate local volume '{volume}': non-migratable snapshot exists")

    def move_after(self, ctid: int, target: str, *, calls: int = 1, ending: str = "") -> None:
        """Move it between two calls: when so many with this ending were answered, by default of those that name it.

        While a task has it locked, it is moved as soon after as it can be.
        """

        def fits(path: str) -> bool:
            return path.endswith(ending) if ending else f"/{ctid}" in path

        turn = Turn(calls, fits, lambda: None)

        def act() -> None:
            if not self.move(ctid, target):
                turn.left = 1
                self.turns.append(turn)

        turn.act = act
        self.turns.append(turn)

    def answered(self, path: str) -> None:
        """Let happen what is to happen after this call."""
        for turn in [one for one in self.turns if one.fits(path.removeprefix(API))]:
            turn.left -= 1
            if turn.left <= 0:
                self.turns.remove(turn)
                turn.act()
