"""Spans of requests, their steps and their calls to Proxmox, by OpenTelemetry (ADR 22).

A task parks, and goes on in another worker, so nobody has a span open all the time. Each is made at its end, with the
times of the ledger, and its id derives from that of its job or task: so what another worker has made, or makes later,
is under the same parent. Without the extra `otel`, or without an endpoint, nothing of this is imported.
"""

from __future__ import annotations

import logging
import os
import threading
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from celery.signals import worker_process_shutdown, worker_ready

from phoenix_producer.client.trace_context import TraceContext, span_of, trace_of
from phoenix_producer.ctids import parse_ctid
from phoenix_worker.durable import acts
from phoenix_worker.durable.acts import Act, Kind
from phoenix_worker.durable.run import current_run, now
from phoenix_worker.telemetry.about import DISTRIBUTION
from phoenix_worker.telemetry.paths import endpoint
from phoenix_worker.telemetry.spans import Span, SpanKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phoenix_worker.durable.run import Run
    from phoenix_worker.proxmox.translate import Request
    from phoenix_worker.telemetry.spans import Exporting

logger = logging.getLogger(__name__)

_REMEDY = "none is sent. From a checkout: pip install '.[otel]'"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_ENDS = {Kind.SUCCEEDED, Kind.FAILED, Kind.CANCELLED}
_OK = "200"


class Traces:
    """Makes the spans of what this process does."""

    def __init__(self, exporting: Callable[[str, str], Exporting]) -> None:
        self._exporting = exporting
        self._of_this_process: tuple[int, Exporting] | None = None
        self._lock = threading.Lock()

    def begin(self, job: str) -> TraceContext:
        """Begin a trace with a job whose sender has none."""
        trace = trace_of(job)
        return TraceContext(trace, "", self._spans().is_sampled(trace))

    def heard(self, act: Act) -> None:
        """Make the spans that end with an act."""
        run = current_run.get()
        if run is None or run.trace is None:
            return
        at = now()
        if act.kind is Kind.HOLDS and act.seconds:
            told: dict[str, Any] = {"phoenix.lock": act.on}
            self._add(run.trace, Span(f"wait for {act.on}", at - act.seconds, at, told, parent=_place(run)))
        if act.kind not in _ENDS:
            return
        told = _attributes(act)
        error = "" if act.kind is Kind.SUCCEEDED else told.get("phoenix.cause", str(act.kind))
        if run.id != run.job:
            step = Span(_name(act, act.task), run.begun, at, told, error, _place(run), span_of("job", run.job))
            self._add(run.trace, step)
        if act.end is not None and act.end.took is not None:
            began, span = at - act.end.took, span_of("job", run.job)
            name = _name(act, act.end.request)
            self._add(run.trace, Span(name, began, at, told, error, span, run.trace.span, SpanKind.CONSUMER))

    def called(self, request: Request, status: str, seconds: float) -> None:
        """Make the span of a call to Proxmox. What the watcher asks for many tasks at once belongs to none of them."""
        run = current_run.get()
        if run is None or run.trace is None:
            return
        at, path = now(), endpoint(request.path)
        told: dict[str, Any] = {"http.request.method": request.method, "url.template": path}
        if status.isdecimal():
            told["http.response.status_code"] = int(status)
        error = "" if status == _OK else status
        name, parent = f"{request.method} {path}", _place(run)
        self._add(run.trace, Span(name, at - seconds, at, told, error, "", parent, SpanKind.CLIENT))

    def _add(self, context: TraceContext, span: Span) -> None:
        if context.sampled:
            self._spans().add(context.trace, span)

    def _spans(self) -> Exporting:
        """Return what sends them in this process: a forked one has a thread of its own for that."""
        with self._lock:
            if self._of_this_process is None or self._of_this_process[0] != os.getpid():
                self._of_this_process = os.getpid(), self._exporting(DISTRIBUTION, version(DISTRIBUTION))
            return self._of_this_process[1]

    def flush(self, **_: Any) -> None:
        """Send what is left of a child process."""
        if self._of_this_process is not None and self._of_this_process[0] == os.getpid():
            self._of_this_process[1].close()


def use(environ: Mapping[str, str]) -> Traces | None:
    """Trace what this worker does, if OpenTelemetry is installed and its own variables name an endpoint.

    `environ` has what is set, in the environment or in `.env`; OpenTelemetry itself reads the environment alone.
    """
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if disabled or not any(environ.get(name) for name in _ENDPOINTS):
        return None
    try:
        from phoenix_worker.telemetry.open_spans import Exported  # noqa: PLC0415 - an extra
    except ImportError:
        worker_ready.connect(say_that_none_is_sent)
        return None
    os.environ.update({name: value for name, value in environ.items() if name.startswith("OTEL_")})
    traces = Traces(Exported)
    acts.listeners.append(traces.heard)
    worker_process_shutdown.connect(traces.flush, weak=False)
    return traces


def say_that_none_is_sent(**_: Any) -> None:
    """Warn of an endpoint without what sends to it."""
    logger.warning("An endpoint for spans is set (OTEL_…), but OpenTelemetry is not installed: %s", _REMEDY)


def _place(run: Run) -> str:
    """Return the span that a run is in."""
    return span_of("job", run.job) if run.id == run.job else span_of("task", run.id)


def _name(act: Act, task: str) -> str:
    return f"{task.removeprefix('phoenix.')} {parse_ctid(act.subject) or ''}".rstrip()


def _attributes(act: Act) -> dict[str, Any]:
    """Tell no more than names and numbers: words of Proxmox and of scripts may have anything in them."""
    value = act.value if isinstance(act.value, dict) else {}
    told: dict[str, Any] = {"phoenix.job": act.job}
    if (ctid := parse_ctid(act.subject)) is not None:
        told["phoenix.ctid"] = ctid
    fields = {"node": act.about.get("node"), **{name: value.get(name) for name in ("outcome", "cause", "upid")}}
    return told | {f"phoenix.{name}": str(said) for name, said in fields.items() if said}
