"""Machines whose clock is wrong, by as many seconds as a file says just now, with a worker on each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.product import Product
    from tests.support.worker import WorkerProcess

AHEAD_IN = "CLOCK_AHEAD_IN"
"""Environment: the file."""


class Machine:
    """A worker on a machine whose clock is so many seconds ahead. It may be set."""

    def __init__(self, product: Product, folder: Path, name: str, ahead: float, **environ: str) -> None:
        self._file = folder / f"{name}.clock"
        self.set(ahead)
        told = product.environ(**{AHEAD_IN: str(self._file)}, **environ)
        self.worker: WorkerProcess = product._start("tests.support.wrong_clock_worker", told, name=name, forked=False)

    def set(self, ahead: float) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead}")
        new.replace(self._file)
