"""How bytes become requests: what is no HTTP, too slow, or one connection too many."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from phoenix_producer.http import problems
from phoenix_producer.http.lingering import LingeringTransport

if TYPE_CHECKING:
    import asyncio
    from typing import Any

WIRE = "wire"
"""Where the state of a request has its connection."""
HEAD_SECONDS = 5.0
"""In which the first line and the headers of a request must arrive."""
READ_SECONDS = 30.0
"""In which a client must read what waits for it; one that never reads would keep its place for ever."""


class PatientProtocol(H11Protocol):
    """HTTP as uvicorn speaks it; what is no HTTP is a problem document too.

    Who never ends a head, or never reads an answer, is disconnected. One connection more than the server has files for
    is refused: without a file left it could neither answer anybody nor ask Redis.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        """Put the connection into the state of each request, so that a stream can be written to it at once."""
        super().__init__(*given, **named)
        self.app_state = {**self.app_state, WIRE: self}
        # uvicorn's own limit counts who is being refused too, and answers those who are there in plain text.
        self._most_connections, self.limit_concurrency = self.limit_concurrency, None

    _head: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Give the first head its time."""
        super().connection_made(cast("asyncio.Transport", LingeringTransport(transport, self._is_sending)))
        if self._most_connections is not None and len(self.connections) >= self._most_connections:
            self.connections.discard(self)
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "The server has reached its limit of connections.")
        else:
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
        """Give each further head its time from its first byte on; what comes after the last answer is not read."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._expect_nothing()
        elif self._head is None:
            self._expect_head()

    def write_chunk(self, chunk: bytes) -> bool:
        """Write a chunk of a stream whose head was sent; return False if it is to be sent as any other answer.

        That takes a quarter of the time, and to hundreds of clients it is what the server does most. HTTP/1.0 has none.
        """
        is_chunked = self.conn.our_state is h11.SEND_BODY and self.conn.their_http_version == b"1.1"
        if not is_chunked or self.flow.write_paused or self.transport.is_closing():
            return False
        self.transport.write(chunk)
        return True

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read."""
        self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        body = problems.body_of(status, why)
        headers = [("content-type", problems.MEDIA_TYPE), ("content-length", str(len(body))), ("connection", "close")]
        try:
            head = h11.Response(status_code=status, headers=headers, reason=status.phrase)
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:  # an answer has begun already
            pass
        self.transport.close()

    def _is_sending(self) -> bool:
        return self.conn.their_state in {h11.SEND_BODY, h11.ERROR}

    def _expect_head(self) -> None:
        self._head = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
