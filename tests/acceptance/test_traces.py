"""Spans of a request, its steps and its calls, in the trace of who asked for it. Span by span: unit/test_traces.py."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from tests.acceptance.scenes import failure_of
from tests.acceptance.test_docs import blocks
from tests.support.cli import COMMAND
from tests.support.collector import spans_of
from tests.support.product import container, template
from tests.support.proxmox import SECRET
from tests.support.publishing import other_app
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.collector import Spent
    from tests.support.product import Product

ASKER = SpanContext(0xABCDEF0123456789ABCDEF0123456789, 0x1122334455667788, is_remote=False, trace_flags=TraceFlags(1))
pytestmark = pytest.mark.long
TRACE, SPAN = f"{ASKER.trace_id:032x}", f"{ASKER.span_id:016x}"


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def traced_worker(product: Product, collector: Receiver, **more: str) -> None:
    product.start_worker(
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="100", OTEL_SERVICE_NAME="lxc", **more
    )


def of_trace(collector: Receiver, trace_id: str) -> list[Spent]:
    return [one for one in spans_of(collector) if one.trace == trace_id]


def test_requests_steps_and_calls_are_in_the_trace_of_who_asks(product: Product, collector: Receiver) -> None:
    product.declare({900: template(), 101: container(101), 102: container(102, dependencies=["101"])})
    traced_worker(product, collector)
    with trace.use_span(NonRecordingSpan(ASKER)):
        asked = product.producer.ensure(102)
    asked.wait(timeout=60)
    wait_for(lambda: any(one.parent == SPAN for one in of_trace(collector, TRACE)))
    spans = {one.name: one for one in of_trace(collector, TRACE)}
    root, first = spans["ensure 102"], spans["ensure 101"]
    assert root.parent == SPAN
    assert first.parent == root.id, "what was asked for on behalf of it is under it"
    assert (root.attributes["phoenix.outcome"], root.attributes["phoenix.ctid"]) == ("created", 102)
    assert root.attributes["phoenix.job"] == asked.id
    assert [spans[name].parent for name in ("clone 102", "configure 102", "start 102")] == [root.id] * 3
    assert [spans[name].parent for name in ("create 900", "seal 900", "clone 101")] == [first.id] * 3
    assert root.seconds > first.seconds > spans["clone 101"].seconds > 0
    posts = [one for one in of_trace(collector, TRACE) if one.name == "POST nodes/{node}/lxc/{ctid}/clone"]
    assert {one.parent for one in posts} == {spans["clone 101"].id, spans["clone 102"].id}
    assert posts[0].attributes["http.response.status_code"] == 200
    ids = {one.id for one in of_trace(collector, TRACE)}
    assert {one.parent for one in of_trace(collector, TRACE)} <= ids | {SPAN}, "none hangs in the air"
    assert not any(SECRET.encode() in one.body for one in collector.received)


def test_the_block_of_the_page_does_it_in_the_env_file(product: Product, collector: Receiver, tmp_path: Path) -> None:
    product.declare({900: template()})
    (block,) = (text for _, text in blocks(ROOT / "docs" / "operations.md") if text.startswith("OTEL_"))
    settings = "".join(f"{name}={value}\n" for name, value in product.environ().items())
    (tmp_path / ".env").write_text(settings + block.replace(":4318", f":{urlsplit(collector.url).port}"))
    bare = {name: os.environ[name] for name in ("PATH", "HOME")}
    worker = subprocess.Popen([COMMAND, "worker"], cwd=tmp_path, env=bare, stderr=subprocess.DEVNULL)
    try:
        asked = product.producer.ensure(900)
        asked.wait(timeout=60)
    finally:
        worker.terminate()
        worker.wait(60)
    assert {"ensure 900", "create 900"} <= {one.name for one in of_trace(collector, asked.id.replace("-", ""))}


def test_a_failure_is_told_by_its_cause_and_a_trace_begins_with_its_job(product: Product, collector: Receiver) -> None:
    product.declare({900: template(), 101: container(101)})
    traced_worker(product, collector)
    product.simulator.pve.task_failures["vzclone"].append("gone wrong, says a secret")
    asked = product.producer.ensure(101)
    assert failure_of(asked).cause == "proxmox-error"
    job = asked.id.replace("-", "")
    wait_for(lambda: any(one.name == "ensure 101" for one in of_trace(collector, job)))
    spans = {one.name: one for one in of_trace(collector, job)}
    assert spans["ensure 101"].parent == ""
    assert (spans["ensure 101"].failed, spans["clone 101"].failed, spans["create 900"].failed) == (True, True, False)
    assert spans["clone 101"].attributes["phoenix.cause"] == "proxmox-error"
    assert not any(b"says a secret" in one.body for one in collector.received), "words of others stay at home"


HOSTILE: list[Any] = [
    "", "x" * 1_000, "00-" + "0" * 32 + "-1122334455667788-01", "ff-" + TRACE + "-1122334455667788-01", 7, None, [],
    {"a": {}}, f"00-{TRACE}-{SPAN}-01\r\nx", f"00-{TRACE.upper()}-{SPAN}-01",
]  # fmt: skip


def test_no_header_of_a_trace_breaks_a_message(product: Product, collector: Receiver) -> None:
    """Who may push writes what he likes there."""
    product.declare({900: template()})
    traced_worker(product, collector)
    with other_app("sender", product.redis_url) as sender:
        for value in HOSTILE:
            asked = sender.send_task("phoenix.plan", [900], queue="phoenix.ensure", headers={"traceparent": value})
            assert asked.get(timeout=60)["ctid"] == 900, value
    wait_for(lambda: len([one for one in spans_of(collector) if one.name == "plan 900"]) == len(HOSTILE))
    assert not of_trace(collector, TRACE)
