"""Results are stored for as long as it takes Redis to be there.

Celery's own retrying logs a traceback at each attempt, and takes a Redis that is out of memory or read-only for a
failure of the task, which its requester would hear while the ledger has the task run again.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from celery.backends.redis import RedisBackend, SentinelBackend
from celery.states import READY_STATES

from phoenix_worker.durable.patience import patience
from phoenix_worker.durable.run import Answer, current_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery


_written: ContextVar[list[Answer] | None] = ContextVar("phoenix_written", default=None)
"""Where `set` puts what it is told to store, instead of into Redis."""


class PatientBackend(RedisBackend):
    """Celery's Redis backend; what tasks need of it waits for Redis.

    The end of a durable task is stored by the script that ends it: one is never there without the other, and a worker
    that was declared dead cannot overwrite what its task answered elsewhere.
    """

    is_anothers: Callable[[str, str], bool] = staticmethod(lambda *_: False)
    """Whether an id is that of a task of another job than this one. What a sender embeds may be given any id, and with
    a failure Celery answers for the rest of a chain, and for the body of a chord."""

    def answer(self, *args: Any, **kwargs: Any) -> Answer:
        """Return what `store_result` would store for these arguments."""
        written: list[Answer] = []
        token = _written.set(written)
        try:
            super().store_result(*args, **kwargs)
        finally:
            _written.reset(token)
        return written[0]

    def get(self, key: Any) -> Any:
        """Read a key; nothing while an answer is only written, as what was stored before does not matter for it."""
        return super().get(key) if _written.get() is None else None

    def set(self, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Store a key."""
        if (written := _written.get()) is None:
            return super().set(key, value, *args, **kwargs)
        seconds = self.expires  # type: ignore[attr-defined]  # not in its stubs
        return written.append(Answer(key.decode(), value, int(seconds or 0)))

    def store_result(self, task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        """Store a state. Storing the same twice changes nothing."""
        run = current_run.get()
        if run is not None and run.id == task_id and state in READY_STATES and not _in_chord(kwargs.get("request")):
            run.answer = self.answer(task_id, result, state, *args, **kwargs)
            return result
        if kwargs.get("request") is not None and self._is_of_another_job(task_id):
            return result
        args = (task_id, result, state, *args)
        return patience.until_answered(lambda: super(PatientBackend, self).store_result(*args, **kwargs))

    def chord_error_from_stack(self, callback: Any, exc: Any = None) -> Any:
        """Answer for the body of a chord that failed."""
        return None if self._is_of_another_job(callback.id) else super().chord_error_from_stack(callback, exc)

    def _is_of_another_job(self, task_id: str | None) -> bool:
        run = current_run.get()
        return run is not None and task_id not in (None, run.id) and self.is_anothers(str(task_id), run.job)

    def on_chord_part_return(self, *args: Any, **kwargs: Any) -> Any:
        """Count a member of a chord. A member that was counted before is not counted again."""
        return patience.until_answered(lambda: super(PatientBackend, self).on_chord_part_return(*args, **kwargs))


class PatientSentinelBackend(PatientBackend, SentinelBackend):
    """The same, of the master that Sentinels name."""


def _in_chord(request: Any) -> bool:
    """Return whether the chord's body reads the result as soon as it is counted, which is before the task ends."""
    return bool(request and request.chord)


def store_patiently(app: Celery, is_anothers: Callable[[str, str], bool]) -> None:
    """Make an app whose result backend is Redis use these. No run stores what `is_anothers` (of task and job)."""
    PatientBackend.is_anothers = staticmethod(is_anothers)
    redis, sentinel = (f"{one.__module__}:{one.__qualname__}" for one in (PatientBackend, PatientSentinelBackend))
    ours = {"redis": redis, "rediss": redis, "sentinel": sentinel}
    app.loader.override_backends = {**app.loader.override_backends, **ours}
