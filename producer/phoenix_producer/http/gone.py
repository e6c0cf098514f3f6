"""A client that has disconnected no longer waits: its place is free for others at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message, Receive


async def while_there(answer: Awaitable[None], receive: Receive, is_over: Callable[[], bool]) -> None:
    """Run what answers a request whose body was read, until its client has gone.

    `is_over` tells whether it has gone because it has all of the answer. What the request has begun goes on: only the
    waiting for it ends.
    """
    answering = asyncio.ensure_future(answer)
    watching = asyncio.ensure_future(receive())
    try:
        await asyncio.wait((answering, watching), return_when=asyncio.FIRST_COMPLETED)
        if answering.done() or is_over() or not _is_gone(watching):
            await answering
    finally:
        for task in (answering, watching):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await answering


def _is_gone(watching: asyncio.Future[Message]) -> bool:
    return watching.exception() is None and watching.result()["type"] == "http.disconnect"
