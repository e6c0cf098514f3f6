"""Clients that take the server's time: one that never reads is disconnected, others are not."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn
from starlette.responses import Response, StreamingResponse
from uvicorn.server import ServerState

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


def test_who_is_there_is_answered_while_another_is_refused() -> None:
    """Who is refused is a connection too, until it is closed."""
    config = uvicorn.Config(
        Response("here"), http=PatientProtocol, ws="none", lifespan="off", log_config=None, limit_concurrency=2
    )
    state = ServerState()

    async def answers() -> list[bytes]:
        there = PatientProtocol(config, state, {})

        class OneTooMany(PatientProtocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
                super().connection_made(transport)
                there.data_received(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

        said = []
        pairs = [(made, *socket.socketpair()) for made in (there, OneTooMany(config, state, {}))]
        for made, server, _ in pairs:
            await asyncio.get_running_loop().connect_accepted_socket(lambda one=made: one, server)  # type: ignore[misc]
        for _, _, client in pairs:
            reader, writer = await asyncio.open_connection(sock=client)
            said.append(await reader.read())
            writer.close()
            await writer.wait_closed()
        return said

    here, refused = asyncio.run(answers())
    assert here.endswith(b"here"), here
    assert refused.startswith(b"HTTP/1.1 503 ")
