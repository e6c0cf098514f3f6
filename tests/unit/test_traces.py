"""Which spans are made of what happens. None of it needs a collector."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from celery.signals import worker_ready

from phoenix_producer.client.trace_context import TraceContext, span_of, trace_of
from phoenix_worker.durable.acts import Act, Kind
from phoenix_worker.durable.messages import passed_on
from phoenix_worker.durable.run import End, Run, current_run
from phoenix_worker.proxmox.translate import Request
from phoenix_worker.telemetry.traces import Traces, say_that_none_is_sent, use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.telemetry.spans import Span

JOB = "0c7f2b9e-5a43-4d3c-9a52-8d4a3b0f6e21"
STEP = "5a430c7f-2b9e-4d3c-9a52-8d4a3b0f6e21"
ASKER = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True)
made: list[tuple[str, Span]] = []


class Collected:
    """Keeps what would be sent."""

    def __init__(self, *_: str) -> None: ...

    def is_sampled(self, _: str) -> bool:
        return True

    def add(self, trace: str, span: Span) -> None:
        made.append((trace, span))

    def close(self) -> None: ...


@pytest.fixture
def traces() -> Iterator[Traces]:
    made.clear()
    yield Traces(Collected)
    current_run.set(None)


def running(task_id: str, trace: TraceContext | None = ASKER) -> Run:
    run = Run(
        task_id,
        "1",
        "1",
        JOB,
        "",
        "",
        0,
        None,
        begun=1000.0,
        claimed_at=1000.0,
        created=1000.0,
        detached="",
        trace=trace,
    )
    current_run.set(run)
    return run


def act(kind: Kind, value: Any = None, end: End | None = None, **more: Any) -> Act:
    return Act(kind, "phoenix.clone", STEP, JOB, "103", {"node": "pve1"}, value=value, end=end, **more)


def test_a_step_is_under_its_request_and_a_call_under_its_step(traces: Traces) -> None:
    running(STEP)
    traces.called(Request("POST", "nodes/pve1/lxc/900/clone", "clone", ""), "200", 0.5)
    traces.heard(act(Kind.HOLDS, on="ct/900", seconds=7.0))
    traces.heard(act(Kind.SUCCEEDED, {"name": "clone", "seconds": 2.0, "upid": "UPID:x"}, End()))
    (call, turn, step) = [span for trace, span in made if trace == ASKER.trace]
    assert (call.name, call.kind, call.parent) == ("POST nodes/{node}/lxc/{ctid}/clone", "CLIENT", step.id)
    assert call.end - call.start == pytest.approx(0.5)
    assert (turn.name, turn.parent) == ("wait for ct/900", step.id)
    assert turn.end - turn.start == pytest.approx(7.0)
    assert (step.name, step.start, step.id, step.parent) == (
        "clone 103",
        1000.0,
        span_of("task", STEP),
        span_of("job", JOB),
    )
    assert step.attributes == {
        "phoenix.job": JOB,
        "phoenix.ctid": 103,
        "phoenix.node": "pve1",
        "phoenix.upid": "UPID:x",
    }


def test_a_request_goes_from_its_asking_to_its_end_under_who_asked(traces: Traces) -> None:
    running(JOB)
    traces.called(Request("GET", "version", "look", ""), "none", 0.1)
    traces.heard(act(Kind.SUCCEEDED, {"outcome": "created"}, End(60.0, request="phoenix.ensure")))
    (call, request) = [span for _, span in made]
    assert (request.name, request.kind, request.parent) == ("ensure 103", "CONSUMER", ASKER.span)
    assert request.end - request.start == pytest.approx(60.0)
    assert request.attributes["phoenix.outcome"] == "created"
    assert (call.parent, call.error) == (request.id, "none")


def test_a_failure_is_told_by_its_cause_alone_at_the_step_and_at_the_request(traces: Traces) -> None:
    running(STEP)
    failure = {"cause": "no-space", "message": "a secret", "remedy": "another"}
    traces.heard(act(Kind.FAILED, failure, End(60.0, request="phoenix.ensure")))
    assert [(span.name, span.error) for _, span in made] == [("clone 103", "no-space"), ("ensure 103", "no-space")]
    assert "secret" not in repr(made)


def test_what_is_not_sampled_or_belongs_to_no_run_makes_no_span(traces: Traces) -> None:
    end = act(Kind.SUCCEEDED, {}, End(60.0, request="phoenix.ensure"))
    traces.heard(end)
    running(JOB, trace=None)
    traces.heard(end)
    running(JOB, ASKER._replace(sampled=False))
    traces.heard(end)
    assert made == []


def test_a_trace_that_nobody_began_has_the_id_of_its_job(traces: Traces) -> None:
    begun = traces.begin(JOB)
    assert begun == TraceContext(trace_of(JOB), "", sampled=True)
    assert passed_on(running(JOB, begun), asks=False) == {}, "each worker derives it anew"


def test_the_trace_goes_on_in_what_a_run_publishes() -> None:
    assert passed_on(running(STEP, None), asks=True) == {}
    assert passed_on(running(STEP), asks=False) == {"traceparent": ASKER.header()}
    asked = f"00-{ASKER.trace}-{span_of('task', STEP)}-01"
    assert passed_on(running(STEP), asks=True) == {"traceparent": asked}
    current_run.set(None)


def test_an_endpoint_without_opentelemetry_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "phoenix_worker.telemetry.open_spans", None)
    assert use({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}) is None
    assert worker_ready.disconnect(say_that_none_is_sent), "it is said once the worker's log is there"
    say_that_none_is_sent()
    assert caplog.messages[-1].endswith("none is sent. From a checkout: pip install '.[otel]'")
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in os.environ
