"""Commands of Celery's remote control that would leave a worker without a process are refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from phoenix_worker.durable.control import autoscale, cancel_consumer, pool_grow, pool_shrink


@pytest.mark.parametrize("n", [0, -1, 1, "2", 1.5, True, None, {}])
def test_the_last_process_stays(n: Any) -> None:
    ended: list[int] = []
    consumer: Any = SimpleNamespace(
        pool=SimpleNamespace(num_processes=1, shrink=ended.append),
        controller=SimpleNamespace(autoscaler=None),
        _update_prefetch_count=lambda _change: None,
    )

    assert "error" in pool_shrink(SimpleNamespace(consumer=consumer), n)
    assert not ended


def scaling(done: list[Any]) -> Any:
    """The state of a worker with a pool of one to three processes."""

    def update(*given: Any) -> Any:
        done.append(given)
        return given

    scaler = SimpleNamespace(max_concurrency=3, min_concurrency=1, update=update)
    pool = SimpleNamespace(num_processes=2, grow=done.append)
    controller = SimpleNamespace(autoscaler=scaler)
    return SimpleNamespace(consumer=SimpleNamespace(pool=pool, controller=controller, cancel_task_queue=done.append))


BOUNDS: list[dict[str, Any]] = [
    {"max": 0, "min": 0}, {"max": 0}, {"max": -1}, {"max": "5"}, {"max": True}, {"min": 4}, {"min": -1}, {"min": {}},
]  # fmt: skip


@pytest.mark.parametrize("bounds", BOUNDS)
def test_a_pool_that_scales_keeps_a_process(bounds: dict[str, Any]) -> None:
    done: list[Any] = []
    assert "error" in autoscale(scaling(done), **bounds)
    assert not done
    assert "ok" in autoscale(scaling(done), max=5)
    assert done == [(5, 1)]


def test_bounds_of_a_pool_that_does_not_scale_are_refused() -> None:
    state = SimpleNamespace(consumer=SimpleNamespace(controller=SimpleNamespace(autoscaler=None)))
    assert "--autoscale" in autoscale(state, max=5)["error"]


@pytest.mark.parametrize("n", [0, -1, "2", 1.5, True, None, {}])
def test_a_pool_grows_by_a_number_of_processes(n: Any) -> None:
    done: list[Any] = []
    state = scaling(done)
    state.consumer.controller.autoscaler = None
    assert "error" in pool_grow(state, n)
    assert not done


@pytest.mark.parametrize("queue", [{}, [], None, "celery", 5])
def test_only_a_queue_of_ours_is_no_longer_taken_from(queue: Any) -> None:
    assert "workers consume only" in cancel_consumer(scaling([]), queue)["error"]
