"""Results are stored for as long as it takes Redis to be there.

Celery's own retrying logs a traceback at each attempt, and takes a Redis that is out of memory or read-only for a
failure of the task, which its requester would hear while the ledger has the task run again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.backends.redis import RedisBackend

from phoenix_worker.durable.patience import patience

if TYPE_CHECKING:
    from celery import Celery


class PatientBackend(RedisBackend):
    """Celery's Redis backend; what tasks need of it waits for Redis."""

    def store_result(self, *args: Any, **kwargs: Any) -> Any:
        """Store a state. Storing the same twice changes nothing."""
        return patience.until_answered(lambda: super(PatientBackend, self).store_result(*args, **kwargs))

    def on_chord_part_return(self, *args: Any, **kwargs: Any) -> Any:
        """Count a member of a chord. A member that was counted before is not counted again."""
        return patience.until_answered(lambda: super(PatientBackend, self).on_chord_part_return(*args, **kwargs))


def store_patiently(app: Celery) -> None:
    """Make an app whose result backend is Redis use this one."""
    ours = f"{PatientBackend.__module__}:{PatientBackend.__qualname__}"
    app.loader.override_backends = {**app.loader.override_backends, "redis": ours, "rediss": ours}
