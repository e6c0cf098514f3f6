"""The node shell for a worker that runs on the node itself: child processes, no shell in between."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.ports import Ran
from phoenix_worker.proxmox.command import encoded, named

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_SIGNALLED = 128
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
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise TransientError(
                f"Unable to run {named(argv)} on {node}: it took longer than {timeout:g} s.", cause="shell-timeout"
            ) from error
        return Ran(process.returncode if process.returncode >= 0 else _SIGNALLED - process.returncode, out, err)


def _environment() -> dict[str, str]:
    """Return what a command gets of the worker's environment, which holds secrets: where programs are, and the user."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "USER") if name in os.environ}
    return kept | {"PATH": f"{os.environ['PATH']}:{_SYSTEM_PATH}" if "PATH" in os.environ else _SYSTEM_PATH}


def _no_start(error: OSError) -> int:
    """Return the exit code that a shell would give."""
    return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    except PermissionError:  # sudo runs as root: it is left alone, as one behind a cut connection
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        return
    process.communicate()
