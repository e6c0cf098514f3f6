"""The HTTP server: clients that wait on events while others ask. The worker answers at once: the server is measured."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix_producer.http.tokens import Role
from phoenix_worker.commands.demo.embedded import private_redis
from tests.support.http_door import serving
from tests.support.worker import WorkerProcess

if TYPE_CHECKING:
    from tests.benchmarks.report import Report
    from tests.support.http_door import HttpDoor

_CLIENTS = 200
_PER_SECOND = 50
_SECONDS = float(os.environ.get("BENCH_HTTP_SECONDS", "300"))
_SETTLE_SECONDS = 10.0
_ID = re.compile(rb"^id: (\S+)$", re.MULTILINE)


@dataclass
class _Measured:
    """What the clients saw. Seconds in `asked` and `worked` (the server's processors), KiB in `memory`."""

    asked: list[float] = field(default_factory=list)
    refused: int = 0
    listening: asyncio.Barrier = field(default_factory=lambda: asyncio.Barrier(_CLIENTS + 1))
    events: list[list[bytes]] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)


def http(report: Report) -> None:
    """200 clients wait on all events while 50 requests a second are asked for, for five minutes."""
    with tempfile.TemporaryDirectory() as folder, private_redis(Path(folder) / "redis") as server:
        environ = {"ANSWERING_REDIS": server.url}
        worker = WorkerProcess("tests.support.answering_app", directory=Path(folder), environ=environ)
        try:
            worker.wait_until_ready()
            with serving(server.url, Path(folder)) as unlocked:
                measured = asyncio.run(_measure(unlocked.as_a(Role.OPERATOR)))
        finally:
            worker.kill()
    _tell(report, measured)


def _tell(report: Report, measured: _Measured) -> None:
    percentiles = statistics.quantiles(measured.asked, n=100)
    note = f"{len(measured.asked)} requests, {_CLIENTS} clients on events, {_SECONDS:.0f} s"
    report.add("http", "POST, 95th percentile", percentiles[94] * 1000, "ms", reach="≤ 50", note=note)
    report.add("http", "POST, median", percentiles[49] * 1000, "ms")
    cost = (measured.worked[-1] - measured.worked[0]) / len(measured.asked)
    report.add("http", "processor time of the server for a POST and its event to each client", cost * 1000, "ms")
    report.add("http", "requests refused", measured.refused, reach="≤ 0")
    everything = max(measured.events, key=len)
    lost = sum(len(set(everything) - set(told)) for told in measured.events)
    report.add("http", "events lost", lost, reach="≤ 0", note=f"of {len(everything)} for each client")
    twice = sum(len(told) - len(set(told)) for told in measured.events)
    report.add("http", "events told twice", twice, reach="≤ 0")
    third = max(1, len(measured.memory) // 3)
    growth = statistics.mean(measured.memory[-third:]) / statistics.mean(measured.memory[third : 2 * third])
    note = f"{measured.memory[-1] // 1024} MiB at the end"
    report.add("http", "memory, last third ÷ second", growth, reach="≤ 1.03", note=note)


async def _measure(door: HttpDoor) -> _Measured:
    measured = _Measured()
    begin = "0-1"  # all clients are told all there is, whenever each has come
    async with asyncio.TaskGroup() as group:
        clients = [group.create_task(_listen(door, begin, measured)) for _ in range(_CLIENTS)]
        watch = group.create_task(_watch(door.process.pid, measured))
        await measured.listening.wait()
        await asyncio.sleep(1)  # what they asked counts as the token's for so long
        started = time.monotonic()
        async with asyncio.TaskGroup() as requests:
            for number in range(int(_SECONDS * _PER_SECOND)):
                await asyncio.sleep(max(0.0, started + number / _PER_SECOND - time.monotonic()))
                requests.create_task(_ask(door, measured))
        await asyncio.sleep(_SETTLE_SECONDS)
        for task in (*clients, watch):
            task.cancel()
    return measured


async def _ask(door: HttpDoor, measured: _Measured) -> None:
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(*door.address)
    writer.write(_request(door, "POST", "/v1/containers/103/ensure", "Content-Length: 0\r\nConnection: close\r\n"))
    status = await reader.readline()
    await reader.read()
    measured.asked.append(time.monotonic() - began)
    measured.refused += b" 202 " not in status
    writer.close()
    await writer.wait_closed()


async def _listen(door: HttpDoor, last: str, measured: _Measured) -> None:
    """Keep the ids of all events; who is cut off comes again and names the last one."""
    told: list[bytes] = []
    measured.events.append(told)
    begun = False
    while True:
        reader, writer = await asyncio.open_connection(*door.address)
        writer.write(_request(door, "GET", "/v1/events", f"Last-Event-ID: {last}\r\n"))
        rest = b""
        try:
            if b" 200 " not in await reader.readline():
                await asyncio.sleep(1)  # too many came at once
                continue
            if not begun:
                await measured.listening.wait()
            begun = True
            while some := await reader.read(65_536):
                *whole, rest = (rest + some).split(b"\n\n")
                told += _ID.findall(b"\n\n".join(whole))
            last = told[-1].decode() if told else last
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _watch(pid: int, measured: _Measured) -> None:
    while True:
        measured.memory.append(_resident(pid))
        measured.worked.append(_worked(pid))
        await asyncio.sleep(1)


def _resident(pid: int) -> int:
    """Read the memory of a process, in KiB."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])


def _worked(pid: int) -> float:
    """Read for how long a process has used a processor, in seconds."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _request(door: HttpDoor, method: str, path: str, more: str) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {door.token}\r\n{more}\r\n"
    return head.encode()
