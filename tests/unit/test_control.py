"""Commands of Celery's remote control that would leave a worker without a process are refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from phoenix_worker.durable.control import pool_shrink


@pytest.mark.parametrize("n", [0, -1, 1])
def test_the_last_process_stays(n: int) -> None:
    ended: list[int] = []
    consumer: Any = SimpleNamespace(
        pool=SimpleNamespace(num_processes=1, shrink=ended.append),
        controller=SimpleNamespace(autoscaler=None),
        _update_prefetch_count=lambda _change: None,
    )

    assert "error" in pool_shrink(SimpleNamespace(consumer=consumer), n)
    assert not ended
