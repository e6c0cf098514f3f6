"""A short round of `make chaos`, always the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.__main__ import one_round

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.long
@pytest.mark.crash
def test_nothing_is_lost_and_nothing_is_done_twice(tmp_path: Path) -> None:
    numbers = one_round("make test", 12, "threads", jobs=20, verbose=True, keep=tmp_path)
    assert (numbers.redis_kills, numbers.redis_lost_writes, numbers.clock_steps) == (2, 2, 3)
    assert numbers.worker_kills >= 3
    assert numbers.node_failures >= 2
    assert numbers.migrations >= 5
    assert numbers.copies >= 1
