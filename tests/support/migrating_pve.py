"""Containers that an administrator migrates: at once, for a while, or just after the simulator has answered a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
