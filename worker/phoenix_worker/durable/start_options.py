"""What Celery lets a worker be started with, and the protocol does not: refused before anything is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_producer.client.connection import overruled
from phoenix_producer.contract import QUEUE, RESUME_QUEUE, UPKEEP_QUEUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_QUEUES = (RESUME_QUEUE, UPKEEP_QUEUE, QUEUE)
_POOLS = {"celery.concurrency.thread": "threads", "celery.concurrency.prefork": "processes"}


def objections(options: Mapping[str, Any], environ: Mapping[str, str], given: Iterable[str] = ()) -> list[str]:
    """Say what is wrong with the options of a worker, each with what to do; nothing when it may start.

    `options` are what Celery's `Worker` is made with, `given` the names of settings that the command line has changed.
    """
    pool = getattr(options.get("pool"), "__module__", "")
    problems = overruled(environ)
    if pool and pool not in _POOLS:
        problems.append("--pool: workers run with `threads` (the default) or `processes`.")
    if options.get("autoscale") and _POOLS.get(pool) != "processes":
        problems.append("--autoscale needs child processes: add `--pool processes`, or use `--concurrency`.")
    if options.get("pool_start_method") == "spawn":
        problems.append("--pool-start-method: child processes are forked. Leave it out.")
    if options.get("time_limit") or options.get("soft_time_limit"):
        problems.append(
            "--time-limit, --soft-time-limit: a step has no time limit, since a job would be answered as failed and "
            "go on. PHOENIX_PATIENCE and PHOENIX_SCRIPT_TIMEOUT limit what is waited for."
        )
    if options.get("purge"):
        problems.append("--purge would drop requests without an answer: end them with `phoenix-lxc cancel JOB`.")
    problems += _of_queues(_names(options.get("queues")), _names(options.get("exclude_queues")))
    problems += [f"{name}: settings of Celery are not to be changed. Leave it out." for name in sorted(given)]
    return problems


def _names(given: Any) -> list[str]:
    return given.split(",") if isinstance(given, str) else list(given or ())


def _of_queues(chosen: list[str], excluded: list[str]) -> list[str]:
    taken = [name for name in chosen or _QUEUES if name not in excluded]
    if unknown := [name for name in (*chosen, *excluded) if name not in _QUEUES]:
        return [f"--queues, --exclude-queues: {', '.join(unknown)} is not one of {', '.join(_QUEUES)}."]
    if RESUME_QUEUE not in taken:
        return [f"--queues, --exclude-queues: a worker takes {RESUME_QUEUE}, by which jobs that have begun go on."]
    return []
