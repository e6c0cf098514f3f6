"""What Flower shows of the time before its start: the jobs of the last week, from the ledger.

Flower keeps what it heard in memory, and hears nothing of what was before it. Steps are not in the ledger as Flower has
them, so that of an earlier job its request alone is shown.
"""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from redis import RedisError

from phoenix_producer.client.answers import answers
from phoenix_producer.ledger.entries import ENDED, JobState
from phoenix_producer.ledger.view import LedgerView
from phoenix_producer.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis
    from redis.client import Pipeline

    from phoenix_producer.ledger.entries import Job

logger = logging.getLogger(__name__)

_AT_MOST = 1000
_ENDS = {JobState.DONE: "SUCCESS", JobState.FAILED: "FAILURE", JobState.CANCELLED: "FAILURE"}


def jobs_of(client: Redis) -> list[Job]:
    """Read the newest jobs, oldest first. Raises RedisError."""

    def look(questions: Callable[[Pipeline], object]) -> list[Any]:
        with client.pipeline(transaction=False) as pipe:
            questions(pipe)
            return answers(pipe)

    return LedgerView(look).jobs(ended=True)[-_AT_MOST:]


def row_of(job: Job) -> dict[str, Any]:
    """Return the fields that Flower has of a task."""
    name, _, subject = job.what.partition(" ")
    row = {
        "name": f"phoenix.{name}",
        "args": plain(subject),
        "kwargs": repr({"requester": job.requester}),
        "state": _ENDS.get(job.state, job.state.upper()),
        "received": job.created,
        "timestamp": job.ended or job.created,
    }
    if job.state in ENDED and job.ended is not None:
        row["runtime"] = job.ended - job.created
        row["result" if job.state is JobState.DONE else "exception"] = plain(job.outcome or job.cause)
    return row


def fill(state: Any, jobs: list[Job]) -> None:
    """Show jobs that Flower has not heard of. To be called where Flower's own state is changed: in its loop."""
    for job in jobs:
        if job.id not in state.tasks:
            state.tasks[job.id] = task = state.Task(job.id, cluster_state=state, **row_of(job))
            state.search_engine.upsert(task)


def use(events: Any, client: Redis) -> None:
    """Have Flower begin with the ledger's jobs. `events` is its class of what listens."""
    start = events.start

    def read(listening: Any) -> None:
        try:
            listening.io_loop.add_callback(partial(fill, listening.state, jobs_of(client)))
        except (RedisError, LookupError, ValueError) as error:
            logger.warning("Jobs from before this Flower are not shown: %s", error)

    def started(listening: Any) -> None:
        start(listening)
        threading.Thread(target=read, args=(listening,), name="history", daemon=True).start()

    events.start = started
