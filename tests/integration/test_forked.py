"""The code with which a forked `celery` ended is told once, and several threads of a test may ask for it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.support.forked import ForkedCelery

if TYPE_CHECKING:
    from pathlib import Path


def test_each_thread_that_waits_for_its_end_is_told_the_same_code(tmp_path: Path) -> None:
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    for _ in range(3):
        celery = ForkedCelery(["--version"], log=tmp_path / "log", environ=environ)
        with ThreadPoolExecutor(8) as threads:
            waiting = [threads.submit(celery.wait, 60) for _ in range(8)]
            assert [one.result() for one in waiting] == [0] * 8
        assert not celery.running()
        celery.kill()
