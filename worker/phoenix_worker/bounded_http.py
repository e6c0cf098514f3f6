"""HTTP answers that come in time and within a size, or not at all.

The timeouts of urllib3 and requests bound each read: a server that sends a byte now and then is waited for without end.
Here the time for an answer, status line, headers and body together, counts from the request on.
"""

from __future__ import annotations

import io
import socket
import time
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

MOST_BYTES = 32 * 1024 * 1024
"""Of an answer. The longest of Proxmox, lists of thousands of volumes, have a few."""


class TooMuch(OSError):  # noqa: N818 - reads as what the answer is
    """An answer is larger than any that is expected."""


class _BoundedReads(socket.SocketIO):
    """Reads of one answer: each may take what is left of the time for all of them."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, "r")
        seconds = sock.gettimeout()
        self._bounded = sock
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._left = MOST_BYTES

    def readinto(self, buffer: Any) -> int | None:
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the answer did not come in time")
            self._bounded.settimeout(left)
        count = super().readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise TooMuch(f"the answer has more than {MOST_BYTES // 1024**2} MiB")
        return count


class _BoundedResponse(HTTPResponse):
    """The answer of `http.client`, with bounded reads."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        # As `socket.makefile` does it: the socket stays open until what reads from it is closed.
        sock._io_refs += 1  # type: ignore[attr-defined]  # noqa: SLF001 - not in its stubs
        self.fp = io.BufferedReader(_BoundedReads(sock))


class _HttpConnection(HTTPConnection):
    response_class = _BoundedResponse


class _HttpsConnection(HTTPSConnection):
    response_class = _BoundedResponse


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


def bounded(manager: PoolManager) -> PoolManager:
    """Have all answers that a pool manager gets bounded; returns it."""
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager
