"""A connection that is closed while its client is still sending: it can read the answer first.

A socket that is closed with something unread resets its connection. Who sends on meanwhile is told that alone, and not
why the request was refused (RFC 9112, section 9.6).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LINGER_SECONDS = 5.0
"""In which a client that was answered sends the rest, of which nothing is kept."""


class LingeringTransport:
    """A transport whose `close` lets a client end what it sends, as far as `is_sending` says that it does."""

    def __init__(self, transport: asyncio.Transport, is_sending: Callable[[], bool]) -> None:
        self._transport, self._is_sending = transport, is_sending
        self._lingering: asyncio.TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:
        """Have all else done by the transport itself."""
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Tell whether the client is answered no more."""
        return self._lingering is not None or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write, unless it is closing."""
        if not self.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close it, at once if the client has sent all; if it is still lingering, at once as well."""
        if self.is_closing() or not self._is_sending():
            self._close_at_once()
            return
        self._lingering = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._close_at_once)
        with suppress(OSError):  # the client has gone
            self._transport.write_eof()
        self._transport.resume_reading()

    def _close_at_once(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
        self._transport.close()
