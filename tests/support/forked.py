"""Processes forked by the fork server, with what `ChildProcess` offers."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix_worker.commands.demo.child import ChildProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH")
_READY_SECONDS = 120.0


@cache
def _server() -> str:
    """Start the fork server of this process, and return where it listens."""
    folder = tempfile.TemporaryDirectory(prefix="fork-")
    address, log = f"{folder.name}/socket", Path(folder.name) / "log"
    environ = {name: os.environ[name] for name in _KEPT if name in os.environ}
    command = [sys.executable, "-m", "tests.support.fork_server", address]
    child = ChildProcess(command, log=log, environ=environ, directory=ROOT, answers=True)

    def end() -> None:
        child.kill()
        folder.cleanup()

    atexit.register(end)
    readable, _, _ = select.select([child.output], [], [], _READY_SECONDS)
    assert readable, log.read_text()
    assert child.output.readline() == b"ready\n", log.read_text()
    return address


class ForkedCelery:
    """One `celery`, with these arguments; its output is appended to `log`."""

    def __init__(self, arguments: Sequence[str], *, log: Path, environ: Mapping[str, str]) -> None:
        self._talking = socket.socket(socket.AF_UNIX)
        self._talking.connect(_server())
        request = {"arguments": [*arguments], "environ": {**environ}, "log": str(log), "directory": str(ROOT)}
        self._talking.sendall(json.dumps(request).encode() + b"\n")
        self._told = self._talking.makefile()
        self.pid = int(self._told.readline())
        self._code: int | None = None
        self._asks = threading.Lock()  # the code is told once, and the simulator's threads kill workers too

    def running(self) -> bool:
        """Return True until it has ended."""
        return not self._ended(0)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its whole process group; a group that has ended is no error."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def wait(self, timeout: float) -> int:
        """Return its exit code. Raises TimeoutExpired after `timeout` seconds."""
        if not self._ended(timeout):
            raise subprocess.TimeoutExpired("celery", timeout)
        assert self._code is not None
        return self._code

    def kill(self) -> None:
        """Kill its process group (SIGKILL)."""
        if self._talking.fileno() < 0:
            return
        self.signal(signal.SIGKILL)
        self._ended(None)
        self._told.close()
        self._talking.close()

    def _ended(self, seconds: float | None) -> bool:
        with self._asks:
            if self._code is None and select.select([self._talking], [], [], seconds)[0]:
                self._code = int(self._told.readline())
            return self._code is not None
