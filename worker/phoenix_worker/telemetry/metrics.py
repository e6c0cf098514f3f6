"""Prometheus metrics of a worker: what its tasks did is counted in memory, what is in the ledger is read at a scrape.

Each counter is there from the start, at 0, with all labels that it may have (`known_labels`).

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
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.multiprocess import MultiProcessCollector

from phoenix_worker.durable import acts
from phoenix_worker.durable.acts import Kind
from phoenix_worker.telemetry.build_info import BuildInfo
from phoenix_worker.telemetry.known_labels import (
    CAUSES,
    ENDPOINTS,
    LOCK_KINDS,
    METHODS,
    OTHER,
    OUTCOMES,
    RECOVERED,
    REQUEST_NAMES,
    STATUSES,
    STEPS,
    TASKS,
    UNKNOWN,
    known,
)
from phoenix_worker.telemetry.ledger_metrics import SPENT_ON, LedgerCollector
from phoenix_worker.telemetry.paths import endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from celery import Celery

    from phoenix_worker.durable.acts import Act
    from phoenix_worker.durable.ledger import Ledger
    from phoenix_worker.proxmox.translate import Request

logger = logging.getLogger(__name__)

MULTIPROC_DIR = "PROMETHEUS_MULTIPROC_DIR"
_MOMENTS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_WHILES = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_OWN = "own"


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
        self._begin()

    def _begin(self) -> None:
        """Have each counter say 0 before there is anything to count: an increase is told from that alone."""
        for request in (*REQUEST_NAMES, OTHER):
            self.job_seconds.labels(request)
            self.added_seconds.labels(request)
            for outcome in (*OUTCOMES, OTHER):
                self.jobs.labels(request, outcome)
        for method, path in (*ENDPOINTS, *((method, OTHER) for method in METHODS)):
            for status in (*STATUSES, OTHER):
                self.calls.labels(method, path, status)
        simple: list[tuple[Counter | Histogram, Iterable[str]]] = [
            (self.failures, (*CAUSES, UNKNOWN)),
            (self.spent_seconds, {*SPENT_ON.values(), _OWN}),
            (self.step_seconds, (*STEPS, OTHER)),
            (self.lock_wait_seconds, (*LOCK_KINDS, OTHER)),
            (self.retries, (*TASKS, OTHER)),
            (self.recoveries, RECOVERED),
            (self.call_seconds, METHODS),
        ]
        for meter, values in simple:
            for value in values:
                meter.labels(value)

    def count(self, act: Act) -> None:
        """Count an act."""
        match act.kind:
            case Kind.SUCCEEDED | Kind.FAILED | Kind.CANCELLED:
                self._count_end(act)
            case Kind.HOLDS:
                self.lock_wait_seconds.labels(known(act.on.partition("/")[0], LOCK_KINDS)).observe(act.seconds or 0.0)
            case Kind.TRIES_LATER:
                self.retries.labels(known(act.task.removeprefix("phoenix."), TASKS)).inc()
            case Kind.TAKEN_OVER:
                self.recoveries.labels("run").inc(act.value)
            case Kind.SENT_AGAIN:
                self.recoveries.labels("message").inc(act.value)
            case Kind.WENT_BACK:
                self.rollbacks.inc()

    def count_call(self, request: Request, status: str, seconds: float) -> None:
        """Count a call to Proxmox."""
        path = endpoint(request.path)
        path = path if (request.method, path) in ENDPOINTS else OTHER
        self.calls.labels(request.method, path, known(status, STATUSES)).inc()
        self.call_seconds.labels(request.method).observe(seconds)

    def _count_end(self, act: Act) -> None:
        value = act.value if isinstance(act.value, dict) else {}
        if "seconds" in value:
            self.step_seconds.labels(known(str(value["name"]), STEPS)).observe(value["seconds"])
        end = act.end
        if end is None or end.took is None:
            return
        request = known(end.request.removeprefix("phoenix."), REQUEST_NAMES)
        self.jobs.labels(request, known(_outcome(act.kind, value), OUTCOMES)).inc()
        if act.kind is Kind.FAILED:
            self.failures.labels(known(str(value.get("cause")), CAUSES, UNKNOWN)).inc()
        self.job_seconds.labels(request).observe(end.took)
        added = max(0.0, end.took - sum(end.parked.values()))
        self.added_seconds.labels(request).observe(added)
        for kind, seconds in (*end.parked.items(), ("", added)):
            self.spent_seconds.labels(SPENT_ON.get(kind, _OWN)).inc(seconds)


def use(app: Celery, ledger: Ledger, address: str, templates: Callable[[], Iterable[int]]) -> Meters:
    """Count, and have each worker of this app serve `http://ADDRESS/metrics`. The address is HOST:PORT."""
    disable_created_metrics()  # type: ignore[no-untyped-call] # it has no types
    registry = CollectorRegistry()
    meters = Meters(registry)
    acts.listeners.append(meters.count)
    if MULTIPROC_DIR in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # it has no types
    registry.register(LedgerCollector(ledger, templates))
    registry.register(BuildInfo())
    ProcessCollector(registry=registry)
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


def _outcome(kind: Kind, value: dict[str, Any]) -> str:
    if kind is not Kind.SUCCEEDED:
        return str(kind)
    return "dry-run" if value.get("dry_run") else str(value.get("outcome", "answered"))
