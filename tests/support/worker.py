"""Celery workers as real processes, to be killed, stopped and asked what they logged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from phoenix_worker.commands.demo.child import ChildProcess
from tests.support.forked import ForkedCelery
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[2]
QUICK_START = ("--without-gossip", "--without-mingle", "--without-heartbeat")
"""Mingling alone costs each start a second."""
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH")
_READ_AT_IMPORT = {"PROMETHEUS_MULTIPROC_DIR"}
"""What is read when modules are imported: too early in a process that is forked after that."""
_SHOWN_CHARACTERS = 20_000


class WorkerProcess:
    """One `celery worker`. Its environment is the given one and nothing of the tester's settings."""

    def __init__(
        self,
        app: str,
        *,
        directory: Path,
        environ: Mapping[str, str],
        name: str = "w1",
        concurrency: int = 16,
        flags: Sequence[str] = QUICK_START,
        forked: bool = False,
    ) -> None:
        """Start it. With `forked` it is forked from a process that has its imports behind it, where that can be."""
        self.name = name
        self._log = directory / f"{name}.log"
        command = ["-A", app, "worker", "--loglevel", "INFO"]
        command += ["-c", str(concurrency), "--hostname", f"{name}@test", *flags]
        inherited = {key: os.environ[key] for key in _INHERITED if key in os.environ}
        self._logged_before = len(self.log())
        environ = {**inherited, **environ}
        self._child: ChildProcess | ForkedCelery
        if forked and sys.platform == "linux" and not environ.keys() & _READ_AT_IMPORT:
            self._child = ForkedCelery(command, log=self._log, environ=environ)
        else:
            command = [sys.executable, "-m", "celery", *command]
            self._child = ChildProcess(command, log=self._log, environ=environ, directory=ROOT)

    @property
    def pid(self) -> int:
        """The main process; its group holds a pool's child processes too."""
        return self._child.pid

    def log(self) -> str:
        """All that it logged, and earlier workers of the same name in the same directory before it."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def wait_until_ready(self, timeout: float = 60.0) -> None:
        """Until it consumes: Celery says so in its log after the first successful subscription."""
        wait_for(lambda: not self._child.running() or self.is_ready(), timeout)
        assert self._child.running(), f"Worker {self.name} ended before it was ready:\n{self.log()}"

    def running(self) -> bool:
        """Whether the main process has not ended."""
        return self._child.running()

    def kill(self) -> None:
        """SIGKILL to the whole group, as the kernel's out-of-memory killer or a power cut would."""
        self._child.kill()

    def term(self) -> None:
        """SIGTERM to the main process: Celery's warm shutdown. Does not wait for its end."""
        os.kill(self.pid, signal.SIGTERM)

    def wait(self, timeout: float = 60.0) -> int:
        """Its exit code, when it ends by itself or after `term()`."""
        try:
            return self._child.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"Worker {self.name} did not end in {timeout:g} s:\n{self.log()}") from error

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Its whole group stands still (SIGSTOP) during the block and goes on (SIGCONT) afterwards."""
        self._child.signal(signal.SIGSTOP)
        wait_for(lambda: self._state() in ("T", ""))
        try:
            yield
        finally:
            self._child.signal(signal.SIGCONT)

    def _state(self) -> str:
        """As `ps` shows it, T for one that stands still; '' when it has ended."""
        with suppress(OSError):  # it ends meanwhile
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        told = subprocess.run(["ps", "-o", "state=", "-p", str(self.pid)], check=False, capture_output=True, text=True)
        return told.stdout[:1]

    def is_ready(self) -> bool:
        """Whether it has said that it consumes."""
        return f"{self.name}@test ready." in self.log()[self._logged_before :]


class StartWorker(Protocol):
    """Starts one more worker for this test and waits until it is ready."""

    def __call__(
        self,
        app: str,
        environ: Mapping[str, str],
        *,
        name: str = "w1",
        concurrency: int = 16,
        flags: Sequence[str] = QUICK_START,
        forked: bool = True,
    ) -> WorkerProcess: ...


_WORKERS = pytest.StashKey[list[WorkerProcess]]()


@pytest.fixture
def start_worker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StartWorker]:
    """Workers that are reaped at the end of the test, and whose logs are shown when it fails."""
    workers: list[WorkerProcess] = request.node.stash.setdefault(_WORKERS, [])

    def start(
        app: str,
        environ: Mapping[str, str],
        *,
        name: str = "w1",
        concurrency: int = 16,
        flags: Sequence[str] = QUICK_START,
        forked: bool = True,
    ) -> WorkerProcess:
        worker = WorkerProcess(
            app,
            directory=tmp_path,
            environ=environ,
            name=name,
            concurrency=concurrency,
            flags=flags,
            forked=forked,
        )
        workers.append(worker)
        worker.wait_until_ready()
        return worker

    yield start
    for worker in workers:
        worker.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the workers' logs to the report of a test that failed."""
    report = yield
    if report.failed:
        logs = {worker.name: worker.log() for worker in item.stash.get(_WORKERS, [])}
        report.sections += [(f"log of worker {name}", log[-_SHOWN_CHARACTERS:]) for name, log in logs.items()]
    return report
