"""What an OpenTelemetry collector would have been sent, over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from tests.support.receiver import Receiver


class Spent(NamedTuple):
    """One span, as it was sent."""

    trace: str
    id: str
    parent: str
    name: str
    seconds: float
    failed: bool
    attributes: dict[str, Any]


def spans_of(receiver: Receiver) -> list[Spent]:
    """Every span so far."""
    requests = [ExportTraceServiceRequest.FromString(one.body) for one in receiver.received]
    resources = [resource for request in requests for resource in request.resource_spans]
    return [
        Spent(
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.name,
            (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
            span.status.code == span.status.STATUS_CODE_ERROR,
            {one.key: one.value.int_value or one.value.string_value for one in span.attributes},
        )
        for resource in resources
        for scope in resource.scope_spans
        for span in scope.spans
    ]
