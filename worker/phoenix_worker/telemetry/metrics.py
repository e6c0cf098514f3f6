"""Prometheus metrics of a worker: what its tasks did is counted in memory, what is in the ledger is read at a scrape.

A task costs no Redis command more, and some microseconds. Of the ledger each worker tells the same: take `max`, not
`sum`. Child processes (`--pool processes`) count for themselves: with `PROMETHEUS_MULTIPROC_DIR`, prometheus-client's
own variable, set to an empty directory of this worker's own, their counts are added up; without, only the main
process's are told, which runs no task.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from celery import bootsteps
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from redis import RedisError

from phoenix_producer.client.record import number
from phoenix_producer.contract import QUEUE, RESUME_QUEUE, UPKEEP_QUEUE
from phoenix_worker.durable import acts
from phoenix_worker.durable.acts import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from celery import Celery

    from phoenix_worker.durable.acts import Act
    from phoenix_worker.durable.ledger import Ledger
    from phoenix_worker.proxmox.translate import Request

logger = logging.getLogger(__name__)

MULTIPROC_DIR = "PROMETHEUS_MULTIPROC_DIR"
_MOMENTS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_WHILES = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_SPENT_ON = {"upid": "proxmox", "template": "proxmox", "sleep": "time"}
_SPENT_ON |= {kind: kind for kind in ("lock", "job", "address", "retry")}
_PRIORITIES = ("", "\x06\x163", "\x06\x166", "\x06\x169")
"""kombu keeps a list for each priority; these are their names' ends."""
_NAMED = {"nodes": "{node}", "lxc": "{ctid}", "qemu": "{vmid}", "tasks": "{upid}", "storage": "{storage}"}
_NAMED |= {"snapshot": "{snapshot}", "rules": "{position}", "pools": "{pool}", "bridge": "{bridge}"}


class Meters:
    """What is counted in memory; each is one family of metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.jobs = Counter("phoenix_jobs", "Jobs that ended here.", ["request", "outcome"], registry=registry)
        self.failures = Counter("phoenix_job_failures", "Failed jobs by cause.", ["cause"], registry=registry)
        self.job_seconds = Histogram(
            "phoenix_job_seconds", "Job time, from request to end.", ["request"], buckets=_WHILES, registry=registry
        )
        self.added_seconds = Histogram(
            "phoenix_job_added_seconds",
            "Job time without Proxmox tasks and waits: what phoenix-lxc itself took.",
            ["request"],
            buckets=_MOMENTS,
            registry=registry,
        )
        self.spent_seconds = Counter(
            "phoenix_job_spent_seconds", "Job time, by what it was spent on.", ["on"], registry=registry
        )
        self.step_seconds = Histogram(
            "phoenix_step_seconds", "From a step's act to its end.", ["step"], buckets=_WHILES, registry=registry
        )
        self.lock_wait_seconds = Histogram(
            "phoenix_lock_wait_seconds", "Time in a lock's queue.", ["kind"], buckets=_WHILES, registry=registry
        )
        self.retries = Counter(
            "phoenix_retries", "Attempts that failed with a transient error.", ["step"], registry=registry
        )
        self.recoveries = Counter(
            "phoenix_recoveries", "Runs of dead workers, and lost messages, that were started again.", ["what"],
            registry=registry,
        )  # fmt: skip
        self.rollbacks = Counter(
            "phoenix_redis_rollbacks", "Times that Redis came back without its last writes.", registry=registry
        )
        self.calls = Counter(
            "phoenix_proxmox_calls", "Calls to Proxmox.", ["method", "endpoint", "status"], registry=registry
        )
        self.call_seconds = Histogram(
            "phoenix_proxmox_call_seconds", "Until Proxmox answered.", ["method"], buckets=_MOMENTS, registry=registry
        )

    def count(self, act: Act) -> None:
        """Count an act."""
        match act.kind:
            case Kind.SUCCEEDED | Kind.FAILED | Kind.CANCELLED:
                self._count_end(act)
            case Kind.HOLDS:
                self.lock_wait_seconds.labels(act.on.partition("/")[0]).observe(act.seconds or 0.0)
            case Kind.TRIES_LATER:
                self.retries.labels(_step_of(act)).inc()
            case Kind.TAKEN_OVER:
                self.recoveries.labels("run").inc(act.value)
            case Kind.SENT_AGAIN:
                self.recoveries.labels("message").inc(act.value)
            case Kind.WENT_BACK:
                self.rollbacks.inc()

    def count_call(self, request: Request, status: str, seconds: float) -> None:
        """Count a call to Proxmox."""
        self.calls.labels(request.method, endpoint(request.path), status).inc()
        self.call_seconds.labels(request.method).observe(seconds)

    def _count_end(self, act: Act) -> None:
        value = act.value if isinstance(act.value, dict) else {}
        if "seconds" in value:
            self.step_seconds.labels(value["name"]).observe(value["seconds"])
        end = act.end
        if end is None or end.took is None:
            return
        request = end.request.removeprefix("phoenix.")
        self.jobs.labels(request, _outcome(act.kind, value)).inc()
        if act.kind is Kind.FAILED:
            self.failures.labels(value.get("cause", "unknown")).inc()
        self.job_seconds.labels(request).observe(end.took)
        added = max(0.0, end.took - sum(end.parked.values()))
        self.added_seconds.labels(request).observe(added)
        for kind, seconds in (*end.parked.items(), ("", added)):
            self.spent_seconds.labels(_SPENT_ON.get(kind, "own")).inc(seconds)


class LedgerCollector:
    """What the ledger tells at a scrape, in one round trip."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read it. A Redis that does not answer is told, and is no error of the scrape."""
        up = GaugeMetricFamily("phoenix_redis_up", "Whether Redis answers this worker.")
        try:
            families = list(self._read())
        except RedisError:
            families = []
        up.add_metric((), float(bool(families)))
        yield from (up, *families)

    def _read(self) -> Iterator[GaugeMetricFamily]:
        lists = {queue: [queue + end for end in _PRIORITIES] for queue in (QUEUE, UPKEEP_QUEUE, RESUME_QUEUE)}
        counts = self._ledger.counts([name for names in lists.values() for name in names])
        yield _gauge("phoenix_workers", "Workers with a live heartbeat.", None, {"": counts.workers})
        yield _gauge(
            "phoenix_set_aside_tasks",
            "Tasks whose record cannot be handled; `phoenix-lxc cancel` ends them.",
            None,
            {"": counts.set_aside},
        )
        yield _gauge(
            "phoenix_parked_tasks", "Parked tasks: they wait, and hold no slot.", "on", _by_what(counts.parked)
        )
        yield _gauge("phoenix_lock_queue_length", "Tasks that wait for a lock.", "lock", counts.waiting)
        waiting = {queue: sum(counts.queued[name] for name in names) for queue, names in lists.items()}
        yield _gauge("phoenix_queue_length", "Messages that no worker has fetched.", "queue", waiting)


def use(app: Celery, ledger: Ledger, address: str) -> Meters:
    """Count, and have each worker of this app serve `http://ADDRESS/metrics`. The address is HOST:PORT."""
    disable_created_metrics()  # type: ignore[no-untyped-call] # it has no types
    registry = CollectorRegistry()
    meters = Meters(registry)
    acts.listeners.append(meters.count)
    if MULTIPROC_DIR in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # it has no types
    registry.register(LedgerCollector(ledger))
    host, _, port = address.rpartition(":")

    class MetricsStep(bootsteps.StartStopStep):
        """A worker does its work also where somebody else has the port."""

        requires = ("celery.worker.components:Pool",)

        def start(self, parent: Any) -> None:
            if "prefork" in parent.pool_cls.__module__ and MULTIPROC_DIR not in os.environ:
                logger.warning("Metrics of child processes are not counted: set %s.", MULTIPROC_DIR)
            try:
                server, _ = start_http_server(int(port), host.strip("[]"), registry=registry)
            except OSError as error:
                logger.error("No metrics: %s cannot be listened on (%s).", address, error.strerror)  # noqa: TRY400
            else:
                logger.info("Metrics: http://%s:%d/metrics", host, server.server_port)

    app.steps["worker"].add(MetricsStep)
    return meters


def endpoint(path: str) -> str:
    """Name the kind of path that this is: `nodes/{node}/lxc/{ctid}/config`."""
    before, named = "", []
    for part in path.split("/"):
        named.append(_NAMED.get(before, part))
        before = part
    return "/".join(named)


def _step_of(act: Act) -> str:
    return act.task.removeprefix("phoenix.")


def _outcome(kind: Kind, value: dict[str, Any]) -> str:
    if kind is not Kind.SUCCEEDED:
        return str(kind)
    return "dry-run" if value.get("dry_run") else str(value.get("outcome", "answered"))


def _by_what(parked: dict[str, str]) -> dict[str, float]:
    counted = dict.fromkeys(_SPENT_ON.values(), 0.0)
    for kind, count in parked.items():
        what = _SPENT_ON.get(kind, kind)
        counted[what] = counted.get(what, 0.0) + number(count, 0.0)
    return counted


def _gauge(name: str, text: str, label: str | None, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label] if label else None)
    for value, measured in values.items():
        family.add_metric((value,) if label else (), measured)
    return family
