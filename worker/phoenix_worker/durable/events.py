"""Events for those who look on, Flower say; Celery sends those of whole runs, these are of what lies between.

They go with the worker's own, several to a message: a dispatcher for each would cost more than many a task.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from celery.worker import state

from phoenix_producer.plain_text import plain
from phoenix_worker.durable.patience import SENDING_TROUBLE
from phoenix_worker.durable.shown import ShownRequest

if TYPE_CHECKING:
    from celery import Celery


class Events:
    """Sends events of tasks, if this worker sends events at all. One that cannot be sent is left out."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._consumer: Any = None
        self._pid = 0

    def join(self, consumer: Any) -> None:
        """Send with the events of this consumer from now on. Child processes, which have none, send alone."""
        self._consumer, self._pid = consumer, os.getpid()

    def send(self, kind: str, task_id: str, *, hostname: str | None = None, **fields: Any) -> None:
        """Send one event of a task."""
        if not self._app.conf.worker_send_task_events:
            return
        fields = {name: plain(value) if isinstance(value, str) else value for name, value in fields.items()}
        with suppress(*SENDING_TROUBLE):
            if self._pid == os.getpid() and self._consumer.event_dispatcher is not None:
                self._consumer.event_dispatcher.send(kind, uuid=task_id, **fields)
            else:
                with self._app.events.default_dispatcher(hostname=hostname) as alone:
                    alone.send(kind, uuid=task_id, **fields)

    def end(self, task_id: str, *, hostname: str | None = None, **fields: Any) -> None:
        """Have Celery's event of a task's end say this too. Child processes, which do not send it, say it before."""
        if self._pid != os.getpid():
            self.send("task-ending", task_id, hostname=hostname, **fields)
            return
        request = state.requests.get(task_id)
        if isinstance(request, ShownRequest):
            request.ending = {name: plain(value) if isinstance(value, str) else value for name, value in fields.items()}
