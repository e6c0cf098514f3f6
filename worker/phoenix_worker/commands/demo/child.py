"""Child processes that never outlive the process that started them.

Beside each child stands a guard: a shell that reads from a pipe whose other end only the starter holds. However the
starter ends (return, exception, signal, `kill -9`), the kernel closes that pipe, the guard's read returns, and it
kills the child's process group. Nothing is polled, nothing needs root, and Linux and macOS behave alike.
(`PR_SET_PDEATHSIG` is Linux only, fires when the *thread* that started the child ends, and needs Python code between
fork and exec.)

A child has a process group of its own, so Ctrl-C in a terminal reaches the starter alone, which ends its children in
the order that suits it. A starter that forks without exec (`multiprocessing`) hands the pipe on to that fork.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_GUARD = 'read -r group && { read -r _; kill -s KILL -- "-$group"; }'


class ChildProcess:
    """A started program. As a context manager it is stopped at the end of the block."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environ: Mapping[str, str] | None = None,
        directory: Path | None = None,
        answers: bool = False,
    ) -> None:
        """Start `command`, its output appended to `log`.

        With `answers` only stderr goes there, and the caller reads `output`.
        """
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        try:
            with log.open("ab") as log_file:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE if answers else log_file,
                    stderr=log_file,
                    env=environ,
                    cwd=directory,
                    process_group=0,
                )
            self._guard_pipe.write(b"%d\n" % self.pid)
            self._guard_pipe.flush()
        except BaseException:
            self._dismiss_guard()
            raise

    @property
    def pid(self) -> int:
        """Its process id, which is its process group's id too."""
        return self._process.pid

    @property
    def output(self) -> IO[bytes]:
        """What it prints, when it was started with `answers`."""
        if self._process.stdout is None:
            raise ValueError(f"Process {self.pid} prints to its log.")
        return self._process.stdout

    def running(self) -> bool:
        """Return True until it has ended."""
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its whole process group; a group that has ended is no error."""
        # macOS refuses permission for a group that is only a zombie.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def wait(self, timeout: float) -> int:
        """Return its exit code. Raises TimeoutExpired after `timeout` seconds.

        The group's other processes are not waited for.
        """
        return self._process.wait(timeout)

    def stop(self, grace: float = 10.0) -> None:
        """Ask it to end (SIGTERM), kill what is left of its group after `grace` seconds, and reap it."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self.kill()

    def kill(self) -> None:
        """Kill its process group (SIGKILL) and reap it."""
        if self._guard.returncode is not None:
            return
        self.signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._dismiss_guard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _guard_pipe(self) -> IO[bytes]:
        pipe = self._guard.stdin
        assert pipe is not None  # noqa: S101 - it was asked for in __init__
        return pipe

    def _dismiss_guard(self) -> None:
        self._guard.kill()
        self._guard.wait()
        self._guard_pipe.close()
