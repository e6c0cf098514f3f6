"""Nodes that do not answer: their pveproxy is away, or their cable is out; and answers that take their time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fakepve.server import FakePve, error

if TYPE_CHECKING:
    from aiohttp import web

_NO_CONNECTION = 595


class Silent(FakePve):  # type: ignore[misc] # fakepve publishes no types
    """Base of the strict simulator. Calls about a silent node come through another one, which forwards them."""

    answer_secs = 0.0
    """Seconds that every answer takes."""
    hang_secs = 30.0
    """Seconds after which a call to a node without a cable is answered."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.refusing: set[str] = set()
        """Nodes whose pveproxy is away: 595 at once."""
        self.hanging: set[str] = set()
        """Nodes whose cable is out."""
        self._let_go = asyncio.Event()

    def cut(self, node: str, *, noticed: bool = True) -> None:
        """Pull a node's cable. The cluster takes it for online until it has `noticed`; its containers run on."""
        self.hanging.add(node)
        self.nodes.setdefault(node, {})["online"] = not noticed

    def mend(self, node: str) -> None:
        """Let a node answer again."""
        self.hanging.discard(node)
        self.refusing.discard(node)
        self.nodes.setdefault(node, {})["online"] = True

    def let_go(self) -> None:
        """Answer those at once that hang: there is no route to the node, or what was asked of it is done after all."""
        self._let_go.set()
        self._let_go = asyncio.Event()

    async def _held_up(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._let_go.wait(), self.hang_secs)

    async def _answer(self, request: web.Request, handler: Any, generic: Any, path_node: str | None) -> web.Response:
        await asyncio.sleep(self.answer_secs)
        if path_node in self.hanging:
            await self._held_up()
            if path_node in self.hanging:
                return _unreachable("No route to host")
        if path_node in self.refusing:
            return _unreachable("Connection refused")
        answer: web.Response = await super()._answer(request, handler, generic, path_node)
        return answer


def _unreachable(why: str) -> web.Response:
    answer: web.Response = error(_NO_CONNECTION, why)
    return answer
