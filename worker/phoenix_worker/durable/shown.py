"""What Flower shows of a task besides its states: arguments for people, and an end that is that of the whole task.

Celery tells of runs: a task that parked ten times took, by its events, as long as its last run. What the ledger knows
of the end is put into Celery's own event of it, which costs no message more.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from celery.utils.saferepr import saferepr
from celery.worker.request import Request

if TYPE_CHECKING:
    from phoenix_worker.durable.run import End

REQUEST = f"{__name__}:ShownRequest"
"""How a task names the class of its requests."""
_OF_A_RUN = frozenset({"result", "runtime"})
_LONGEST_RESULT = 1024


class ShownRequest(Request):
    """A message that a worker has taken, as Flower hears of it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.ending: dict[str, Any] = {}
        """What the ledger told of the task's end."""
        task: Any = self.task
        self._argsrepr: str = task.shown_arguments(str(self.request_dict.get("argsrepr", "")))

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002 - Celery's name of it
        """Send an event; that of a task's end with what the ledger told of it."""
        if type == "task-succeeded":
            fields = {name: value for name, value in fields.items() if name not in _OF_A_RUN}
        ends = type in {"task-succeeded", "task-failed"}
        super().send_event(type, **fields, **(self.ending if ends else {}))


def shown_end(value: Any, *, ok: bool, arguments: str) -> dict[str, Any]:
    """Return the fields of the event of a task's end."""
    fields: dict[str, Any] = {"args": arguments}
    if ok:
        fields["result"] = _outcome_first(value)
        if isinstance(value, dict) and "seconds" in value:
            fields["runtime"] = value["seconds"]
    return fields


def shown_request(end: End) -> dict[str, Any]:
    """Return the fields besides of a request that has ended: when it was asked for, and by whom."""
    if end.took is None:
        return {}
    asked = {"runtime": end.took, "received": time.time() - end.took}  # noqa: TID251 - as Celery's own events
    return asked | ({"kwargs": repr({"requester": end.requester})} if end.requester else {})


def _outcome_first(value: Any) -> str:
    if isinstance(value, dict) and "outcome" in value:
        value = {"outcome": value["outcome"], **value}
    text: str = saferepr(value, _LONGEST_RESULT)
    return text
