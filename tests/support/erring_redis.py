"""What stands before a Redis and answers for it for a while, as the proxy of a cluster, or Redis in trouble, does."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from random import random
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OF_CONNECTIONS = frozenset({b"HELLO", b"CLIENT", b"AUTH", b"SELECT", b"MULTI", b"EXEC"})
"""Commands that are always passed on: the trouble is with what they are for."""
_CHUNK = 65536


class ErringRedis:
    """A TCP proxy that reads commands, and passes them on or answers them with an error."""

    def __init__(self, port: int) -> None:
        self.refused = 0
        """How many commands were answered with an error."""
        self._to = ("127.0.0.1", port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self._says, self._share = "", 0.0
        self._open: set[socket.socket] = set()
        self._threads = [self._begin(self._accept)]

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://127.0.0.1:{self._door.getsockname()[1]}/0"

    @contextmanager
    def says(self, error: str, share: float) -> Iterator[None]:
        """Answer so, meanwhile, to this share of all commands."""
        self._says, self._share = error, share
        yield
        self._share = 0.0

    def close(self) -> None:
        """End all connections, and take no more."""
        _end(self._door)
        self._threads[0].join()
        _end(*self._open)
        for thread in self._threads[1:]:
            thread.join()
        self._door.close()

    def _begin(self, act: Callable[..., None], *args: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=act, args=args, daemon=True)
        thread.start()
        return thread

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                self._threads.append(self._begin(self._serve, client))

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._to) as server:
            self._open |= {client, server}
            answering = self._begin(self._answer, client, server)
            self._ask(client, server)
            answering.join()
            self._open -= {client, server}

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with client.makefile("rb") as stream, suppress(OSError):
            while command := _command(stream):
                name, raw = command
                if name not in _OF_CONNECTIONS and random() < self._share:  # noqa: S311 - of nobody's secrets
                    self.refused += 1
                    client.sendall(f"-{self._says}\r\n".encode())
                else:
                    server.sendall(raw)
        _end(client, server)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while chunk := server.recv(_CHUNK):
                client.sendall(chunk)
        _end(client, server)


def _command(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """Read one command: its name, and all of it as it came; None at the end."""
    raw, words = stream.readline(), list[bytes]()
    if not raw:
        return None
    for _ in range(int(raw[1:])):
        length = stream.readline()
        word = stream.read(int(length[1:]) + 2)
        words.append(word[:-2])
        raw += length + word
    return words[0].upper(), raw


def _end(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
