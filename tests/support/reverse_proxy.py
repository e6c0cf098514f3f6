"""A reverse proxy as a process: `python -m tests.support.reverse_proxy strip|keep PREFIX UPSTREAM_PORT`.

It offers a server under a path, knows nothing of what is below it, and passes on each byte as it comes.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Iterator

    from tests.support.http_door import HttpDoor

_MODES = ("strip", "keep")
_BOUND = 65_536


@contextmanager
def proxied(door: HttpDoor, prefix: str, mode: str) -> Iterator[str]:
    """Offer a server under a path until the block ends; the URL is that of the path. `mode` is `strip` or `keep`."""
    assert mode in _MODES
    command = [sys.executable, "-m", "tests.support.reverse_proxy", mode, prefix, str(door.address[1])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.communicate(timeout=60)


async def _pass_on(mode: str, prefix: str, upstream: int, reader: StreamReader, writer: StreamWriter) -> None:
    try:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            method, path, rest = head.split(b" ", 2)
            if not path.startswith(prefix.encode()):
                writer.write(b"HTTP/1.1 502 Not below the path\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            wanted = path if mode == "keep" else path[len(prefix) :] or b"/"
            lines = [line for line in rest.split(b"\r\n") if line and not line.lower().startswith(b"connection:")]
            lines += [b"X-Forwarded-For: 10.0.0.1", b"Connection: close", b"", b""]
            answer, question = await asyncio.open_connection("127.0.0.1", upstream)
            question.write(b"%s %s %s" % (method, wanted, b"\r\n".join(lines)))
            async with asyncio.TaskGroup() as both:
                asking = both.create_task(_copy(reader, question))
                await _copy(answer, writer)
                asking.cancel()
            question.close()
    finally:
        writer.close()


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(ConnectionError):
        while some := await reader.read(_BOUND):
            writer.write(some)
            await writer.drain()


async def _serve(mode: str, prefix: str, upstream: int) -> None:
    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        await _pass_on(mode, prefix, upstream, reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - who has started it reads it
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))
