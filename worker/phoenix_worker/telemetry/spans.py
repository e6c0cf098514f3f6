"""Spans before OpenTelemetry has them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple, Protocol


class SpanKind(StrEnum):
    """How a span stands to others, by OpenTelemetry's names."""

    CONSUMER = "CONSUMER"
    """A request of somebody's."""
    INTERNAL = "INTERNAL"
    CLIENT = "CLIENT"
    """A call to another server."""


class Span(NamedTuple):
    """One that has ended. Times are seconds since the epoch; without an id it gets one by chance."""

    name: str
    start: float
    end: float
    attributes: dict[str, Any]
    error: str = ""
    id: str = ""
    parent: str = ""
    kind: SpanKind = SpanKind.INTERNAL


class Exporting(Protocol):
    """What sends the spans of one process."""

    def is_sampled(self, trace_id: str) -> bool:
        """Return whether a trace that begins here is wanted."""

    def add(self, trace_id: str, ended: Span) -> None:
        """Add a span that has ended."""

    def close(self) -> None:
        """Send what is left."""
