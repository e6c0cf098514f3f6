"""The workers of a round: some die by themselves in the middle of things, others are killed, all are replaced."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.worker import QUICK_START, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from random import Random

DOOM = "CHAOS_DOOM"
"""Environment of workers that die by themselves: their seed."""
WORKERS = 3
CONCURRENCY = {"threads": 8, "prefork": 2}
_POOL = {"threads": "threads", "prefork": "processes"}
"""As `--pool` names them: it takes `prefork` for its own default, and then for what the settings say."""


@dataclass
class Crew:
    """As many workers as there should be."""

    rng: Random
    pool: str
    directory: Path
    environ: Mapping[str, str]
    tell: Callable[[str], None]
    kills: int = 0
    _started: int = 0
    _workers: list[WorkerProcess] = field(default_factory=list)

    def fill(self, *, doomed: bool = True) -> None:
        """Replace those that died."""
        for worker in [one for one in self._workers if not one.running()]:
            self._bury(worker)
            self.tell(f"{worker.name} has died")
        while len(self._workers) < WORKERS:
            self._start(doomed=doomed and self.rng.random() < 0.5)

    def kill_one(self) -> None:
        """Kill one, whatever it does, and start another."""
        victim = self.rng.choice(self._workers)
        victim.kill()
        self._bury(victim)
        self.tell(f"kill {victim.name}")
        self.fill()

    def relieve(self) -> None:
        """All are replaced by workers that live."""
        while self._workers:
            self._workers[0].kill()
            self._bury(self._workers[0])
        self.fill(doomed=False)

    def dismiss(self) -> None:
        """Kill all."""
        for worker in self._workers:
            worker.kill()

    def is_ready(self) -> bool:
        """Return whether one of them consumes."""
        return any(worker.running() and worker.is_ready() for worker in self._workers)

    def wait_until_ready(self) -> None:
        """Until all consume, or have died."""
        for worker in self._workers:
            worker.wait_until_ready()

    def _bury(self, worker: WorkerProcess) -> None:
        code = worker.wait()
        worker.kill()
        assert code < 0, f"{worker.name} ended by itself with {code}:\n{worker.log()[-3000:]}"
        self._workers.remove(worker)
        self.kills += 1

    def _start(self, *, doomed: bool) -> None:
        self._started += 1
        worker = WorkerProcess(
            "tests.chaos.worker_app",
            directory=self.directory,
            environ={**self.environ, DOOM: f"{self.rng.random()}"} if doomed else self.environ,
            name=f"w{self._started}",
            concurrency=CONCURRENCY[self.pool],
            flags=(*QUICK_START, "--pool", _POOL[self.pool]),
        )
        self._workers.append(worker)
