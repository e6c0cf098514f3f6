"""The tasks of the worker, by name. `app.build` makes Celery tasks of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import REQUESTS
from phoenix_worker.step_names import StepName
from phoenix_worker.tasks.following import following
from phoenix_worker.tasks.rebuilt import unless_rebuilt
from phoenix_worker.tasks.requests import binding, parsing
from phoenix_worker.tasks.taken import unless_taken

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_producer.contract import Request

_STEPS = frozenset(step.task for step in StepName)
TASKS: dict[str, Callable[..., Any]] = {}


def task(name: str, request: type[Request] | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Name a function as a task. With a `request` model, the function gets the message's arguments as one."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        if request is not None:
            TASKS[name] = parsing(request, function)
        else:
            TASKS[name] = binding(function) if name in REQUESTS else _step(function) if name in _STEPS else function
        return function

    return register


def _step(function: Callable[..., Any]) -> Callable[..., Any]:
    return following(unless_taken(unless_rebuilt(function)))
