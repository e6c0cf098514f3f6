"""What the endpoints work with: a producer for each token, one reader for all who wait."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio
from anyio import to_thread
from fastapi.responses import JSONResponse

from phoenix_producer.client.channel import Unreachable
from phoenix_producer.client.link import Link
from phoenix_producer.client.producer import Producer
from phoenix_producer.contract import Failure
from phoenix_producer.http.events import Events
from phoenix_producer.http.feeds import NoRoom, Reader, Stopping
from phoenix_producer.http.problems import Refused, Uncertain
from phoenix_producer.http.requests import Requests, as_response
from phoenix_producer.http.shared_looks import SharedLooks
from phoenix_producer.ledger.standstill import standstill
from phoenix_producer.ledger.view import LedgerView

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from uuid import UUID

    from fastapi import Response

    from phoenix_producer.client.handle import Handle
    from phoenix_producer.http.requests import Result
    from phoenix_producer.http.shared_looks import Acceptable

_A_LOOK = 0.2
"""Seconds in which an answer that is there is seen."""


class Service:
    """Lives as long as the server. `root_path` is the prefix under which a proxy offers it."""

    def __init__(self, redis_url: str, loop: asyncio.AbstractEventLoop, root_path: str) -> None:
        self._url, self._root_path = redis_url, root_path
        self._link = Link(redis_url)
        self._producers: dict[str, Producer] = {}
        self._lock = threading.Lock()
        self._reader = Reader(self._link.look, loop)
        self._looks = SharedLooks(self._link, self._reader)
        self.ledger = LedgerView(self._link.look)
        self.requests = Requests(self._link, root_path)
        self.events = Events(self._link, self._reader, root_path)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read streams while the block runs, and close all connections after it."""
        self._reader.start()
        try:
            yield
        finally:
            self._reader.stop()
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._reader.join)
            for producer in self._producers.values():
                producer.close()
            self._link.close()

    def send_away(self) -> None:
        """Answer who waits, since the server ends; what they asked for goes on."""
        self._reader.send_away()

    async def send(self, ask: Callable[[Producer], Handle[Any]], requester: str) -> str:
        """Publish a request; return its id. Raises ContractError and Unreachable."""
        handle = await to_thread.run_sync(lambda: ask(self._producer(requester)))
        return handle.id

    async def change(
        self, ask: Callable[[Producer, UUID], Handle[Any]], requester: str, request_id: UUID | None
    ) -> str:
        """Publish a request that may change something, as `send`. Raises Uncertain in place of Unreachable."""
        own_id = request_id or uuid4()
        try:
            return await self.send(lambda producer: ask(producer, own_id), requester)
        except Unreachable as error:
            raise Uncertain(own_id, error) from error

    async def answer(self, request_id: str, seconds: float) -> Result | Failure | None:
        """Wait for an answer, without a thread; None if there is none in time. Raises NoRoom and Stopping."""
        deadline = time.monotonic() + seconds
        while await self._reader.answered(request_id, max(deadline - time.monotonic(), 0.0)):
            known = await to_thread.run_sync(self.requests.known, request_id)
            answer = await to_thread.run_sync(partial(self.requests.answer, request_id, known))
            if answer is not None:
                return answer
            await asyncio.sleep(_A_LOOK)  # what is stored is the end of one that was forgotten, and asked for again
        return None

    async def accepted(self, request_id: str, seconds: float) -> Response:
        """Answer with the result of a request, or, if there is none in time, with where it will be."""
        url, answer = self.url_of(request_id), None
        if seconds:
            # It is under way, also when the server ends: who is refused would send it again.
            with suppress(NoRoom, Stopping, Unreachable, asyncio.CancelledError):
                answer = await self.answer(request_id, seconds)
        if answer is not None:
            return as_response(answer, {"Location": url})
        return JSONResponse({"id": request_id, "url": url}, HTTPStatus.ACCEPTED, {"Location": url})

    async def looked(
        self, ask: Callable[[Producer], Handle[Any]], requester: str, seconds: float, wanted: Acceptable
    ) -> Response:
        """Answer with what workers see; `Age` says since when they do. Raises Refused if none answers in time."""
        self._reader.insist_on_room()
        if wanted.age is None:
            request_id, look = await self.send(ask, requester), None
        else:
            request_id, look = await self._looks.share(wanted, lambda: self.send(ask, requester))
        given_before = look is not None and look.answered is not None
        answer = await self.answer(request_id, seconds)
        if answer is None:
            why = await to_thread.run_sync(standstill, self.ledger, [request_id])
            late = f"The workers have not answered in {seconds:g} s.{why and f' {why}'}"
            raise Refused(HTTPStatus.GATEWAY_TIMEOUT, f"{late} The answer will be at {self.url_of(request_id)}.")
        if isinstance(answer, Failure):
            self._looks.forget(wanted)
        return as_response(answer, {"Age": str(ceil(look.age) if look and given_before else 0)})

    def url_of(self, request_id: str) -> str:
        """Return the path of a request, as a client has to ask for it."""
        return f"{self._root_path}/v1/requests/{request_id}"

    def _producer(self, requester: str) -> Producer:
        """Return the producer that says who asks; each has connections of its own, so there is one for each token."""
        with self._lock:
            if requester not in self._producers:
                self._producers[requester] = Producer(channel=Link(self._url, requester), requester=requester)
            return self._producers[requester]
