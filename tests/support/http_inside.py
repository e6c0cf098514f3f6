"""The HTTP server in a thread of the tests, on a real socket, and a client that sends what no library would."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phoenix_producer.http.guard import Door
from phoenix_producer.http.rates import Rates
from phoenix_producer.http.server import application, server_of
from phoenix_producer.http.tokens import TokenFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 60


@dataclass(frozen=True)
class Answered:
    """The beginning of an answer; a stream has no body here."""

    status: int
    headers: dict[str, str]
    body: bytes

    def is_problem(self) -> bool:
        """Tell whether it is the problem document of its status."""
        told: dict[str, Any] = json.loads(self.body)
        return (
            self.headers["content-type"] == "application/problem+json"
            and told["status"] == self.status
            and {"type", "title", "detail"} <= told.keys()
        )


@dataclass(frozen=True)
class InsideServer:
    """Asks a server with bytes."""

    address: tuple[str, int]
    secret: str

    def ask(self, method: str, path: str, *headers: str, body: bytes | None = None) -> Answered:
        """Send a request with these headers and no others but those that HTTP wants."""
        own = ["Host: 127.0.0.1", f"Authorization: Bearer {self.secret}", "Connection: close"]
        is_chunked = any(one.startswith("Transfer-Encoding: ") for one in headers)
        length = [] if body is None or is_chunked else [f"Content-Length: {len(body)}"]
        head = "\r\n".join((f"{method} {path} HTTP/1.1", *own, *length, *headers, "", ""))
        with socket.create_connection(self.address, timeout=SECONDS) as connection:
            connection.sendall(head.encode() + (body or b""))
            return _read(connection)


def _read(connection: socket.socket) -> Answered:
    said = b""
    while b"\r\n\r\n" not in said:
        said += _some(connection)
    head, _, body = said.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        some = connection.recv(65_536)
        if not some:
            break
        body += some
    return Answered(int(first.split()[1]), headers, body)


def _some(connection: socket.socket) -> bytes:
    some = connection.recv(65_536)
    assert some, "the server has closed the connection without an answer"
    return some


@contextmanager
def served_inside(redis_url: str, tokens: Path, secret: str, *, rate: int = 100_000) -> Iterator[InsideServer]:
    """Serve until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = server_of(application(redis_url, Door(TokenFile(tokens))), Rates(rate))
        thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
        thread.start()
        try:
            yield InsideServer(listener.getsockname(), secret)
        finally:
            server.should_exit = True
            thread.join(SECONDS)
