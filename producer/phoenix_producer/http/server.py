"""The application, and the server that offers it."""

from __future__ import annotations

import asyncio
import logging
import resource
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

import uvicorn
from fastapi import Depends, FastAPI

from phoenix_producer.http import page, problems
from phoenix_producer.http.changes import router
from phoenix_producer.http.described import insist_on_the_described, operations_in
from phoenix_producer.http.description import PATH, describe, description
from phoenix_producer.http.guard import Door, Guard
from phoenix_producer.http.looks import looks
from phoenix_producer.http.nodes import nodes
from phoenix_producer.http.protocol import PatientProtocol
from phoenix_producer.http.seldom import Seldom
from phoenix_producer.http.service import Service

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    from phoenix_producer.http.rates import Rates

_HEAD_BYTES = 16 * 1024
_LINGER_SECONDS = 2
_FILES = 8192
"""Open at a time, half of them connections: each token has its own to Redis."""


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
        openapi_url=None,  # the framework's own would take whatever is asked of it
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.root_path = root_path  # as an argument, FastAPI warns of it at each start
    app.openapi = cache(partial(describe, app))  # type: ignore[method-assign]  # FastAPI's own way
    app.state.door = door
    problems.install(app, description=f"{root_path}{PATH}")
    for part in (router(), looks, nodes, description):
        app.include_router(part, dependencies=[Depends(insist_on_the_described)])
    app.include_router(page.page)
    return app


class _Server(uvicorn.Server):
    """Ends who waits before it waits for them: they would else be canceled, with an error in the log."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in order."""
        self._app.state.service.send_away()
        await super().shutdown(sockets)


def server_of(app: FastAPI, rates: Rates, most_connections: int | None = None) -> uvicorn.Server:
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
        limit_concurrency=most_connections,
    )
    return _Server(config, app)


def serve(listener: socket.socket, app: FastAPI, rates: Rates) -> None:
    """Serve until a signal ends the process."""
    server = server_of(app, rates, _open_files() // 2)
    logging.getLogger("uvicorn.error").addFilter(Seldom())
    server.run(sockets=[listener])


def _open_files() -> int:
    """Return how many files the process may have open, more than those 1,024 that systemd begins with if it can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
