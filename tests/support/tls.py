"""TLS for a Redis: its own, or in front of one that has none built in, as stunnel does it."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, Self

from fakepve.certs import make_cert

from phoenix_worker.commands.demo.embedded import free_port

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

    from redis import Redis

_HOST = "127.0.0.1"
_CHUNK = 65_536
_START_TIMEOUT = 30


class Front(Protocol):
    """Where `rediss://127.0.0.1:PORT` answers."""

    ca_file: str
    port: int


class NativeTls:
    """The TLS that a server has built in, switched on while it runs. Use it in a `with` statement."""

    def __init__(self, admin: Redis) -> None:
        self._admin = admin
        self._files = tempfile.TemporaryDirectory(prefix="tls-")
        self.ca_file, self._key, _ = make_cert(self._files.name, hosts=(_HOST,))
        self.port = 0

    def __enter__(self) -> Self:
        files = ["tls-cert-file", self.ca_file, "tls-key-file", self._key, "tls-ca-cert-file", self.ca_file]
        self._admin.config_set("tls-auth-clients", "no")
        self.port = free_port()
        if self._admin.config_get("tls-cert-file")["tls-cert-file"]:
            # The certificate of an earlier test is kept until another is set while the port is open.
            self._admin.config_set("tls-port", self.port)
            self._admin.config_set(*files)
        else:
            self._admin.config_set(*files)
            self._admin.config_set("tls-port", self.port)
        return self

    def __exit__(self, *_: object) -> None:
        self._admin.config_set("tls-port", 0)
        self._files.cleanup()


class TlsFront:
    """Serves `rediss://HOST:PORT` and passes all of it on to a plain port. Use it in a `with` statement.

    With another host than 127.0.0.1, each server has its front at its own port there, and what a Sentinel answers
    names that host.
    """

    def __init__(self, plain_port: int, host: str = _HOST, *, like: TlsFront | None = None) -> None:
        """`like` is another front whose certificate this one has."""
        self._plain_port = plain_port
        self._host = host
        self._files = tempfile.TemporaryDirectory(prefix="tls-")
        self.ca_file, self._key, _ = make_cert(self._files.name, hosts=(host,))
        if like is not None:
            self.ca_file, self._key = like.ca_file, like._key
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tls", daemon=True)
        self._open: set[StreamWriter] = set()
        self.port = 0

    def __enter__(self) -> Self:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.ca_file, self._key)
        self._thread.start()
        port = 0 if self._host == _HOST else self._plain_port
        started = asyncio.start_server(self._serve, self._host, port, ssl=context)
        serving = asyncio.run_coroutine_threadsafe(started, self._loop)
        self._server = serving.result(_START_TIMEOUT)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(_START_TIMEOUT)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_TIMEOUT)
        self._loop.close()
        self._files.cleanup()

    async def _stop(self) -> None:
        self._server.close()
        for one in self._open:
            one.transport.abort()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            plain_reader, plain_writer = await asyncio.open_connection(_HOST, self._plain_port)
        except OSError:  # the server behind it is dead
            writer.transport.abort()
            return
        self._open |= {writer, plain_writer}
        await asyncio.gather(_pass_on(reader, plain_writer), _pass_on(plain_reader, writer, self._host))


async def _pass_on(reader: StreamReader, writer: StreamWriter, host: str = _HOST) -> None:
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk.replace(_HOST.encode(), host.encode()))
            await writer.drain()
    writer.transport.abort()
