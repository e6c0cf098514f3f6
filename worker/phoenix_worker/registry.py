"""The tasks of the worker, by name. `app.build` makes Celery tasks of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import REQUESTS
from phoenix_worker.survey import checked

if TYPE_CHECKING:
    from collections.abc import Callable

TASKS: dict[str, Callable[..., Any]] = {}


def task(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Name a function as a task."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        TASKS[name] = checked(function) if name in REQUESTS else function
        return function

    return register
