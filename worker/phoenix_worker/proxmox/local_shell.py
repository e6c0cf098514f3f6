"""The node shell for a worker that runs on the node itself: child processes, no shell in between."""

from __future__ import annotations

import os
import select
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.ports import Ran
from phoenix_worker.proxmox.command import MOST_BYTES, encoded, named, too_much

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_SIGNALLED = 128
_AT_ONCE = 65536
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LocalShell:
    """Runs the commands of one node on this machine. `as_root` is put before each, such as `sudo -n --`."""

    def __init__(self, node: str, *, as_root: Sequence[str] = ()) -> None:
        self._node = node
        self._as_root = tuple(as_root)

    def run(self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Ran:
        """See `NodeShell.run`. A command that takes too long is killed, with all that it started."""
        if node != self._node:
            raise PermanentError(
                f"Unable to run {named(argv)} on {node}: PHOENIX_SHELL=local reaches only {self._node}.",
                cause="shell-other-node",
                remedy=f"Run the worker on {node}, or reach it by SSH (PHOENIX_SHELL=ssh).",
            )
        command = encoded((*self._as_root, *argv))
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(),
                start_new_session=True,
            )
        except OSError as error:
            return Ran(_no_start(error), b"", f"{command[0].decode(errors='replace')}: {error.strerror}\n".encode())
        doing = f"Unable to run {named(argv)} on {node}"
        try:
            out, err = _exchanged(process, stdin, time.monotonic() + timeout)
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            raise TransientError(f"{doing}: it took longer than {timeout:g} s.", cause="shell-timeout") from error
        except OverflowError as error:
            raise too_much(doing) from error
        finally:
            _end(process)
        return Ran(process.returncode if process.returncode >= 0 else _SIGNALLED - process.returncode, out, err)


def _environment() -> dict[str, str]:
    """Return what a command gets of the worker's environment, which holds secrets: where programs are, and the user."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "USER") if name in os.environ}
    return kept | {"PATH": f"{os.environ['PATH']}:{_SYSTEM_PATH}" if "PATH" in os.environ else _SYSTEM_PATH}


def _no_start(error: OSError) -> int:
    """Return the exit code that a shell would give."""
    return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE


def _exchanged(process: subprocess.Popen[bytes], stdin: bytes, deadline: float) -> tuple[bytes, bytes]:
    """Send and receive side by side to the end of a process: who fills one pipe may wait for another to be emptied.

    Raises TimeoutError or TimeoutExpired when it comes too late, OverflowError for more than MOST_BYTES.
    """
    rest, out, err = memoryview(stdin), bytearray(), bytearray()
    with selectors.DefaultSelector() as pipes:
        for pipe, into in ((process.stdout, out), (process.stderr, err)):
            pipes.register(pipe, selectors.EVENT_READ, into)  # type: ignore[arg-type]  # they are pipes, by Popen
        pipes.register(process.stdin, selectors.EVENT_WRITE)  # type: ignore[arg-type]
        while pipes.get_map():
            for ready, _ in pipes.select(_left(deadline)):
                if ready.data is None:
                    rest = _sent(ready.fd, rest)
                over = not rest if ready.data is None else _received(ready.fd, ready.data)
                if over:
                    pipes.unregister(ready.fileobj)
                    ready.fileobj.close()  # type: ignore[union-attr]
    process.wait(_left(deadline))
    return bytes(out), bytes(err)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _sent(pipe: int, rest: memoryview) -> memoryview:
    """Return what is left to send: nothing to one that ended without reading all of it."""
    try:
        return rest[os.write(pipe, rest[: select.PIPE_BUF]) :]
    except BrokenPipeError:
        return rest[:0]


def _received(pipe: int, into: bytearray) -> bool:
    """Read what is there; return whether that was the end."""
    read = os.read(pipe, _AT_ONCE)
    into.extend(read)
    if len(into) > MOST_BYTES:
        raise OverflowError
    return not read


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what has not ended. What sudo runs as root is left alone, as one behind a cut connection."""
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
