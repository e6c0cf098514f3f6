"""Clients that take the server's time: one that never reads is disconnected, others are not."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn
from starlette.responses import StreamingResponse

from phoenix_producer.http import protocol
from phoenix_producer.http.protocol import PatientProtocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import pytest
    from starlette.types import Receive, Scope, Send

    Client: TypeAlias = Callable[[asyncio.StreamReader, asyncio.Event], Awaitable[None]]

from typing import TypeAlias

SECONDS = 60


async def visited(client: Client) -> None:
    """Serve more than anything between the two can hold; the event is set once the server has given up."""
    over = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65_536
            await asyncio.sleep(0)  # an endless answer leaves the others their turn

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await StreamingResponse(endless())(scope, receive, send)
        finally:
            over.set()

    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(
        uvicorn.Config(app, http=PatientProtocol, loop="asyncio", ws="none", lifespan="off", log_level="critical")
    )
    serving = asyncio.create_task(running.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await client(reader, over)
            writer.close()
    finally:
        running.should_exit = running.force_exit = True
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
        listener.close()


def test_who_never_reads_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "READ_SECONDS", 0.5)

    async def silent(_: asyncio.StreamReader, over: asyncio.Event) -> None:
        await over.wait()

    asyncio.run(visited(silent))


def test_who_reads_slowly_is_served_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """For longer than one read may take; a machine under load stands still for a part of that at most."""
    monkeypatch.setattr(protocol, "READ_SECONDS", 2.0)

    async def slow(reader: asyncio.StreamReader, over: asyncio.Event) -> None:
        for _ in range(25):
            await asyncio.sleep(0.1)
            await reader.readexactly(1_000_000)
        assert not over.is_set()

    asyncio.run(visited(slow))
