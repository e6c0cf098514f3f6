"""Commands of Celery's remote control, and so of Flower, that differ from Celery's own.

A rate limit keeps messages in a worker's memory; once it has as many as it fetches ahead, it takes no task of any name,
and lifting the limit does not help. A time limit ends a run of a child process without the ledger. Nobody else takes
from a queue of another name, and jobs in progress come by one queue alone. A pool without processes takes tasks and
runs none. All of this is refused, with the reason; so is a queue or a number that is none, which Celery finds out when
the command is answered, where it ends the worker.
"""

from __future__ import annotations

from typing import Any

from celery import bootsteps
from celery.worker import control

from phoenix_producer.contract import QUEUE, RESUME_QUEUE, UPKEEP_QUEUE

_celery: Any = control  # its stubs lack what is used here
_add_consumer, _cancel_consumer = _celery.add_consumer, _celery.cancel_consumer
_pool_grow, _pool_shrink, _autoscale = _celery.pool_grow, _celery.pool_shrink, _celery.autoscale
_QUEUES = (QUEUE, UPKEEP_QUEUE, RESUME_QUEUE)
_NOT_SHOWN = frozenset({"password", "alternates", "transport_options", "credential_provider"})
"""What Celery shows of a connection, but has passwords in it or cannot be sent."""

Reply = dict[str, str]


class ShownBroker(bootsteps.StartStopStep):
    """Shows the broker of a worker. With Sentinels, what Celery shows has their passwords, and cannot be sent.

    There is nothing to start or stop, but of other steps a worker shows nothing.
    """

    requires = ("celery.worker.consumer.connection:Connection",)

    def info(self, consumer: Any) -> dict[str, Any]:  # type: ignore[override]  # so does Celery's own
        """Return what `inspect stats` has of the broker."""
        told = consumer.connection.info() if consumer.connection else {}
        return {"broker": {name: value for name, value in told.items() if name not in _NOT_SHOWN}}


def refuse() -> None:
    """Have the workers of this process refuse commands that would stop jobs."""
    for command in (rate_limit, time_limit, add_consumer, cancel_consumer, pool_grow, pool_shrink, autoscale):
        meta = _celery.Panel.meta[command.__name__]._asdict()
        _celery.control_command(name=command.__name__, args=meta["args"], signature=meta["signature"])(command)


def rate_limit(_state: Any, task_name: str = "", **_: Any) -> Reply:
    """Refuse a rate limit."""
    return {"error": f"a rate limit of {task_name} would stop this worker from taking any task"}


def time_limit(_state: Any, task_name: str = "", **_: Any) -> Reply:
    """Refuse a time limit."""
    return {"error": f"{task_name} has no time limit: it waits without a slot, and `phoenix-lxc cancel JOB` ends it"}


def add_consumer(state: Any, queue: str = "", **_: Any) -> Reply:
    """Take from a queue of ours, again."""
    if queue not in _QUEUES:
        return {"error": f"workers consume only {', '.join(_QUEUES)}"}
    done: Reply = _add_consumer(state, queue)
    return done


def cancel_consumer(state: Any, queue: str = "", **_: Any) -> Reply:
    """Take from a queue no more; requests that were begun go on."""
    if queue not in _QUEUES:
        return {"error": f"workers consume only {', '.join(_QUEUES)}"}
    if queue == RESUME_QUEUE:
        return {"error": f"jobs in progress need {queue}; to take no new requests, cancel the other queues"}
    done: Reply = _cancel_consumer(state, queue)
    return done


def _is_whole(number: Any, least: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= least


def pool_grow(state: Any, n: Any = 1, **_: Any) -> Reply:
    """Have more processes. Of a number below one, Celery would fetch fewer tasks ahead, and begin no process."""
    if not _is_whole(n, 1):
        return {"error": f"{n!r} is not a number of processes to begin"}
    done: Reply = _pool_grow(state, n)
    return done


def pool_shrink(state: Any, n: Any = 1, **_: Any) -> Reply:
    """Have fewer processes, and one at least."""
    if not _is_whole(n, 1):  # of 0 and less, Celery ends one, be it the last
        return {"error": f"{n!r} is not a number of processes to end"}
    if n >= state.consumer.pool.num_processes:
        return {"error": f"one of {state.consumer.pool.num_processes} processes must stay; `shutdown` ends a worker"}
    done: Reply = _pool_shrink(state, n)
    return done


def autoscale(state: Any, **bounds: Any) -> Reply:
    """Change the bounds of a pool that scales: `max`, one at least, and `min`, which may be 0."""
    scaler = state.consumer.controller.autoscaler
    if not scaler:
        return {"error": "this worker's pool does not scale: it was started without --autoscale"}
    most, fewest = bounds.get("max"), bounds.get("min")
    most = scaler.max_concurrency if most is None else most
    fewest = scaler.min_concurrency if fewest is None else fewest
    if not _is_whole(most, 1) or not _is_whole(fewest, 0) or fewest > most:
        return {"error": f"max={most!r} and min={fewest!r} are no bounds of a pool: one process at least"}
    done: Reply = _autoscale(state, max=most, min=fewest)
    return done
