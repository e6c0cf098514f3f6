"""The application, and the server that offers it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from functools import cache, partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11
import uvicorn
from fastapi import Depends, FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from phoenix_producer.http import description, page, problems
from phoenix_producer.http.changes import router
from phoenix_producer.http.described import insist_on_the_described, operations_in
from phoenix_producer.http.guard import Door, Guard
from phoenix_producer.http.looks import looks
from phoenix_producer.http.nodes import nodes
from phoenix_producer.http.seldom import Seldom
from phoenix_producer.http.service import Service

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    from phoenix_producer.http.rates import Rates

HEAD_SECONDS = 5.0
"""Until the first line and the headers of a request must be there."""
READ_SECONDS = 30.0
"""In which a client must take what waits for it; without that, one that never reads would keep its place for ever."""
_HEAD_BYTES = 16 * 1024
_LINGER_SECONDS = 2


def application(redis_url: str, door: Door, root_path: str = "") -> FastAPI:
    """Make the application. It connects to Redis when it is asked something."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = Service(redis_url, asyncio.get_running_loop(), root_path)
        async with service.running():
            app.state.service = service
            app.state.operations = operations_in(app.openapi())
            yield

    app = FastAPI(
        openapi_url=description.PATH,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        root_path=root_path,
        lifespan=lifespan,
    )
    app.openapi = cache(partial(description.describe, app))  # type: ignore[method-assign]  # FastAPI's own way
    app.state.door = door
    problems.install(app)
    for part in (router(), looks, nodes):
        app.include_router(part, dependencies=[Depends(insist_on_the_described)])
    app.include_router(page.page)
    return app


class PatientProtocol(H11Protocol):
    """HTTP as uvicorn speaks it; what is no HTTP is a problem document too.

    Who never ends a head, or never reads an answer, is disconnected.
    """

    _head: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Give the first head its time."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._expect_nothing()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the client its time to read."""
        super().pause_writing()
        self._unread = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: it has read."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Give each further head its time from its first byte on."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._expect_nothing()
        elif self._head is None:
            self._expect_head()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read."""
        body = problems.body_of(HTTPStatus.BAD_REQUEST, msg)
        headers = [("content-type", problems.MEDIA_TYPE), ("content-length", str(len(body))), ("connection", "close")]
        try:
            for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:  # an answer has begun already
            pass
        self.transport.close()

    def _expect_head(self) -> None:
        self._head = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


def server_of(app: FastAPI, rates: Rates) -> uvicorn.Server:
    """Make the server, which serves until its process gets a signal, or its `should_exit` is set."""
    config = uvicorn.Config(
        Guard(app, app.state.door, rates, page.paths(app.root_path), app.root_path),
        http=PatientProtocol,
        loop="asyncio",
        ws="none",
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=_LINGER_SECONDS,
        h11_max_incomplete_event_size=_HEAD_BYTES,
    )
    return uvicorn.Server(config)


def serve(listener: socket.socket, app: FastAPI, rates: Rates) -> None:
    """Serve until a signal ends the process."""
    server = server_of(app, rates)
    logging.getLogger("uvicorn.error").addFilter(Seldom())
    server.run(sockets=[listener])
