"""Looks that many ask for are sent to the workers once: ten open tabs cost one.

Only who accepts an answer of some age (`Cache-Control: max-age=5`) is given that of another, and none of a look that
was sent before something ended.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from anyio import to_thread

from phoenix_producer.client.record import PREFIX
from phoenix_producer.contract import CONTAINERS, DRIFT, NODES, PLAN, PLANS, STATUS, TEMPLATES, ProgressKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from phoenix_producer.client.link import Link
    from phoenix_producer.http.feeds import Reader

_EVENTS = f"{PREFIX}events"
_CHANGE_NOTHING = frozenset({STATUS, DRIFT, PLAN, PLANS, CONTAINERS, TEMPLATES, NODES})
_LONGEST = 120.0
"""Seconds after which a look without an answer counts as lost."""
_MOST = 100
"""Looks that are remembered; and events that are read to learn whether anything has ended."""


class Acceptable(NamedTuple):
    """What is asked, in whatever order its parameters are, and how old an answer may be; without an age, it is new."""

    question: tuple[Any, ...]
    age: float | None


@dataclass(eq=False)
class Look:
    """One look: the id of its request, and the last event before it was sent."""

    sent: asyncio.Task[tuple[str, str]]
    begun: float = field(default_factory=time.monotonic)
    answered: float | None = None
    watch: asyncio.Task[None] | None = None

    @property
    def age(self) -> float:
        """Return how old its answer is, in seconds."""
        return 0.0 if self.answered is None else time.monotonic() - self.answered


class SharedLooks:
    """Knows the looks that were sent lately. Its methods are called in the event loop alone."""

    def __init__(self, link: Link, reader: Reader) -> None:
        self._link, self._reader = link, reader
        self._looks: dict[tuple[Any, ...], Look] = {}

    async def share(self, wanted: Acceptable, send: Callable[[], Awaitable[str]]) -> tuple[str, Look]:
        """Return a look that answers a question, and the id of its request: that of another, or a new one."""
        look = self._looks.get(wanted.question)
        if look is None or not await self._answers(look, wanted.age or 0.0):
            if self._looks.get(wanted.question) is look:
                self._remember(wanted.question, self._begun(send))
            look = self._looks[wanted.question]
        request, _ = await asyncio.shield(look.sent)
        return request, look

    def forget(self, wanted: Acceptable) -> None:
        """Have the next who asks be answered by a new look."""
        self._looks.pop(wanted.question, None)

    def _begun(self, send: Callable[[], Awaitable[str]]) -> Look:
        look = Look(asyncio.create_task(self._send(send)))
        look.watch = asyncio.create_task(self._watched(look))
        return look

    def _remember(self, question: tuple[Any, ...], look: Look) -> None:
        self._looks.pop(question, None)
        while len(self._looks) >= _MOST:
            del self._looks[next(iter(self._looks))]
        self._looks[question] = look

    async def _send(self, send: Callable[[], Awaitable[str]]) -> tuple[str, str]:
        (newest,) = await to_thread.run_sync(self._link.look, lambda pipe: pipe.xrevrange(_EVENTS, count=1))
        return await send(), str(newest[0][0]) if newest else "0-0"

    async def _watched(self, look: Look) -> None:
        with suppress(Exception):  # whoever asks is told
            request, _ = await look.sent
            if await self._reader.answered(request, _LONGEST):
                look.answered = time.monotonic()

    async def _answers(self, look: Look, age: float) -> bool:
        if not look.sent.done():
            return True
        if look.sent.cancelled() or look.sent.exception() is not None:
            return False
        if look.age > age or (look.answered is None and time.monotonic() - look.begun > _LONGEST):
            return False
        _, before = look.sent.result()
        (since,) = await to_thread.run_sync(
            self._link.look, lambda pipe: pipe.xrange(_EVENTS, min=f"({before}", count=_MOST)
        )
        return len(since) < _MOST and not any(_is_change(fields) for _, fields in since)


def _is_change(event: dict[str, str]) -> bool:
    return event.get("kind") != ProgressKind.REQUESTED and event.get("request") not in _CHANGE_NOTHING
