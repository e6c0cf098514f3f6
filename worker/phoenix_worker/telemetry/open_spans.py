"""Spans as OpenTelemetry's SDK sends them, with ids and times of ours. `traces` imports this where it is wanted."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

if TYPE_CHECKING:
    from phoenix_worker.telemetry.spans import Span

_TIMEOUTS = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
_SECONDS = 3.0
"""How long a batch is tried, where these do not say it: a worker that ends waits for its last one."""
_NANOSECONDS = 1_000_000_000


class _Ids(RandomIdGenerator):
    """Gives the ids that this thread has said before; by chance where it said none."""

    def __init__(self) -> None:
        self.said = threading.local()

    def generate_trace_id(self) -> int:
        return getattr(self.said, "trace", 0) or super().generate_trace_id()

    def generate_span_id(self) -> int:
        return getattr(self.said, "span", 0) or super().generate_span_id()


class Exported:
    """The spans of one process. OTEL_… variables say where they go, and which."""

    def __init__(self, name: str, version: str) -> None:
        own = {SERVICE_VERSION: version}
        if not os.environ.get("OTEL_SERVICE_NAME"):
            own[SERVICE_NAME] = name
        self._ids = _Ids()
        self._provider = TracerProvider(resource=Resource.create(own), id_generator=self._ids)
        seconds = None if any(os.environ.get(one) for one in _TIMEOUTS) else _SECONDS
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=seconds)))
        self._tracer = self._provider.get_tracer(name, version)

    def is_sampled(self, trace_id: str) -> bool:
        """Return whether a trace that begins here is wanted, by OTEL_TRACES_SAMPLER."""
        return (
            self._provider.sampler.should_sample(None, int(trace_id, 16), "request").decision
            is Decision.RECORD_AND_SAMPLE
        )

    def add(self, trace_id: str, ended: Span) -> None:
        """Add a span that has ended."""
        self._ids.said.trace, self._ids.said.span = int(trace_id, 16), int(ended.id or "0", 16)
        within = Context()
        if ended.parent:
            place = SpanContext(int(trace_id, 16), int(ended.parent, 16), is_remote=True, trace_flags=TraceFlags(1))
            within = trace.set_span_in_context(NonRecordingSpan(place), within)
        start, end = (round(at * _NANOSECONDS) for at in (min(ended.start, ended.end), ended.end))
        span = self._tracer.start_span(
            ended.name, within, kind=SpanKind[ended.kind], attributes=ended.attributes, start_time=start
        )
        if ended.error:
            span.set_status(Status(StatusCode.ERROR, ended.error))
        span.end(end)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
