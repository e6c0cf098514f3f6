"""The trace that a request is part of, in the header `traceparent` of its messages: https://www.w3.org/TR/trace-context/.

Who sends a message may write anything there. What has not the form is taken for nothing at all.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = "traceparent"
_FORM = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?", re.ASCII)
_LONGEST = 512
_FIRST_VERSION = "00"
_SAMPLED = 1


class TraceContext(NamedTuple):
    """A place in a trace: ids in hexadecimal digits. Without a span the trace begins with the job itself."""

    trace: str
    span: str
    sampled: bool

    def header(self) -> str:
        """Return it as the header has it."""
        return f"{_FIRST_VERSION}-{self.trace}-{self.span}-{int(self.sampled):02x}"


def parse(value: object) -> TraceContext | None:
    """Read a header of a message; None for what is none."""
    found = _FORM.fullmatch(value) if isinstance(value, str) and len(value) <= _LONGEST else None
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if not int(trace, 16) or not int(span, 16) or (version == _FIRST_VERSION and more):
        return None
    return TraceContext(trace, span, bool(int(flags, 16) & _SAMPLED))


_given: ContextVar[TraceContext | None] = ContextVar("phoenix_trace_given", default=None)


@contextmanager
def passed_on(header: object) -> Iterator[None]:
    """Put what is sent in the block into the trace that somebody names in a header; what is none names none."""
    token = _given.set(parse(header))
    try:
        yield
    finally:
        _given.reset(token)


def of_caller() -> dict[str, str]:
    """Return the header of the span that the caller is in, or else of the place in a trace that was passed on."""
    given = _given.get()
    passed = {} if given is None else {HEADER: given.header()}
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return passed
    context = api.get_current_span().get_span_context()
    if not context.is_valid:
        return passed
    sampled = bool(context.trace_flags & _SAMPLED)
    return {HEADER: TraceContext(f"{context.trace_id:032x}", f"{context.span_id:016x}", sampled).header()}


def trace_of(job: str) -> str:
    """Return the id of a trace that begins with a job: the job's own, so that one is found by the other."""
    return UUID(job).hex


def span_of(kind: str, task_id: str) -> str:
    """Return the id of the span of a job or a task: the same in every worker and in every run."""
    return sha256(f"{kind}/{task_id}".encode()).hexdigest()[:16]
