"""HTTP answers that come in time and within a size, or not at all; names of hosts that are looked up in time.

The timeouts of urllib3 and requests bound each read: a server that sends a byte now and then is waited for without end.
Here the time for an answer, status line, headers and body together, counts from the request on. They do not bound the C
library's lookup of a name, which cannot be interrupted and may take half a minute.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError, SSLError

MOST_BYTES = 32 * 1024 * 1024
"""Of an answer. The longest of Proxmox, lists of thousands of volumes, have a few."""


class TooMuch(OSError):  # noqa: N818 - reads as what the answer is
    """An answer is larger than any that is expected."""


class NoHandshakeError(SSLError):
    """There is no TLS connection: nothing was sent. The cause is in its arguments."""


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


Found = Sequence[tuple[Any, Any, Any, Any, tuple[Any, ...]]]
LookUp = Callable[..., Found]


def addresses(host: str, port: int, seconds: float | None, look_up: LookUp | None = None) -> list[str]:
    """Return the addresses of a host within so many seconds, the preferred one first.

    Raises TimeoutError when there is no answer by then, and what the lookup raised: `socket.gaierror`, or UnicodeError
    for what is no name. A lookup that was given up ends by itself in a thread of its own.
    """
    answer: list[Found | Exception] = []

    def ask() -> None:
        try:
            answer.append((look_up or socket.getaddrinfo)(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.append(error)

    asking = threading.Thread(target=ask, name=f"phoenix-lookup-{host}", daemon=True)
    asking.start()
    asking.join(seconds)
    if not answer:
        raise TimeoutError(f"the name {host} was not found within {seconds:.0f} s")
    (told,) = answer
    if isinstance(told, Exception):
        raise told
    return list(dict.fromkeys(str(address[0]) for *_, address in told))


class _BoundedLookup(HTTPConnection):
    """Looks the host's name up within the time for connecting, then tries each of its addresses."""

    def _new_conn(self) -> socket.socket:
        named = self._dns_host
        try:
            found = addresses(named, self.port, self.timeout)
        except TimeoutError as error:
            raise NameResolutionError(self.host, self, socket.gaierror(socket.EAI_AGAIN, str(error))) from error
        except (OSError, UnicodeError):
            found = [named]  # urllib3 has its own words for it
        try:
            for address in found[:-1]:
                self._dns_host = address
                with suppress(NewConnectionError, ConnectTimeoutError):
                    return super()._new_conn()
            self._dns_host = found[-1]
            return super()._new_conn()
        finally:
            self._dns_host = named


class _HttpConnection(_BoundedLookup):
    response_class = _BoundedResponse


class _HttpsConnection(_BoundedLookup, HTTPSConnection):
    response_class = _BoundedResponse

    def connect(self) -> None:
        """Connect, and tell what fails here from a connection that breaks once something was sent."""
        try:
            super().connect()
        except (ssl.SSLError, SSLError) as error:
            raise NoHandshakeError(error) from error
        except OSError as error:
            raise NewConnectionError(self, f"no TLS connection: {error}") from error


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


def bounded(manager: PoolManager) -> PoolManager:
    """Have all answers that a pool manager gets bounded; returns it."""
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager
