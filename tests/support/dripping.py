"""A real HTTP server that is slow on purpose: it sends a byte now and then, or more than anybody wants."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_PAUSE = 0.05


class Dripping:
    """Answers each request with `before`, then with one `drop` after the other. Use it in a `with` statement."""

    def __init__(self, before: bytes, drop: bytes, certificate: Path | None = None) -> None:
        self._before, self._drop = before, drop
        self._context = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self.port: int = self._listening.getsockname()[1]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            connection, _ = self._listening.accept()
            thread = threading.Thread(target=self._answer, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            talking = connection if self._context is None else self._context.wrap_socket(connection, server_side=True)
            with talking:
                talking.recv(65536)
                talking.sendall(self._before)
                for pause in self._pauses():
                    talking.sendall(self._drop)
                    self._ended.wait(pause)

    def _pauses(self) -> Iterator[float]:
        while not self._ended.is_set():
            yield _PAUSE if len(self._drop) == 1 else 0.0
