"""A Proxmox cluster over real HTTPS, in a thread.

`Simulator` runs a `StrictPve` on a loop of its own. Look at `simulator.pve` from any thread; change it through
`simulator.set` and `simulator.do`, which run on that loop.
"""

from __future__ import annotations

import asyncio
import inspect
import tempfile
import threading
from typing import TYPE_CHECKING, Any, Self

import pytest
from fakepve.certs import make_cert
from fakepve.server import API

from phoenix_worker.proxmox.connection import Access
from tests.support.pve_task_lists import Interval
from tests.support.strict_pve import SECRET, TOKEN, TOKEN_ID, USER, SaidIn, StrictPve
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phoenix_worker.core.model.ports import Proxmox, TaskEnd

__all__ = ["NODE", "SECRET", "TOKEN_ID", "Interval", "SaidIn", "Simulator", "StrictPve", "simulator"]

NODE = "pve1"
MORE_HOSTS = ("127.0.0.2", "127.0.0.3")
"""Addresses that the certificate is for too."""
_START_TIMEOUT = 30
_LAST_CALLBACKS = 0.01
"""Seconds for connections that were just aborted to be let go by the loop."""


class Simulator:
    """A StrictPve that serves `https://127.0.0.1:PORT`. Use it in a `with` statement."""

    def __init__(self) -> None:
        self.pve = StrictPve()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxmox", daemon=True)
        self._files = tempfile.TemporaryDirectory(prefix="proxmox-")
        self.ca_file = self.key_file = ""

    def __enter__(self) -> Self:
        self.ca_file, self.key_file, _ = make_cert(self._files.name, hosts=(self.pve.host, *MORE_HOSTS))
        self._thread.start()
        self.do(self.pve.start, self.ca_file, self.key_file)
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self._stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_TIMEOUT)
        self._loop.close()
        self._files.cleanup()

    async def _stop(self) -> None:
        """Hang up on clients that keep their connections open, and leave nothing on the loop."""
        for connection in self.pve.runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.pve.stop()
        await asyncio.sleep(_LAST_CALLBACKS)

    def do(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run something on the server's own loop, between two requests, and return what it returns."""

        async def run() -> Any:
            result = function(*args, **kwargs)
            return await result if inspect.isawaitable(result) else result

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_START_TIMEOUT)

    def set(self, thing: object, **values: Any) -> None:
        """Set attributes of the cluster or of a container between two requests."""
        for name, value in values.items():
            self.do(setattr, thing, name, value)

    def end_of(self, door: Proxmox, upid: str | None) -> TaskEnd:
        """Wait for the end of a task, as it is seen through a door."""
        assert upid is not None
        end = wait_for(lambda: door.task_end(upid))
        assert end is not None
        return end

    @property
    def host(self) -> str:
        """Address and port."""
        return f"{self.pve.host}:{self.pve.port}"

    @property
    def access(self) -> Access:
        """How the API door reaches it."""
        return Access(host=self.host, user=USER, token_name=TOKEN, token_value=SECRET, ca_file=self.ca_file)

    def calls(self) -> list[tuple[str, str]]:
        """Every request so far: method and path below `/api2/json`."""
        return [(method, path.removeprefix(API)) for method, path, _ in self.pve.requests]

    def intervals(self, kind: str | None = None) -> list[Interval]:
        """Every task so far, in the order of their begin."""
        return [entry for entry in self.pve.intervals if kind in {None, entry.kind}]

    def add_template(self, ctid: int, storage: str = "local-lvm", **config: Any) -> None:
        """Add a sealed template."""
        name = f"{ctid}/base-{ctid}-disk-0.raw" if storage == "local-dir" else f"base-{ctid}-disk-0"
        config = {"rootfs": f"{storage}:{name},size=8G"} | config
        self.do(self.pve.add_ct, ctid, node=NODE, template=True, config=config)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Serve an empty cluster of one node."""
    with Simulator() as running:
        yield running
