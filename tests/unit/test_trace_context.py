"""Headers of traces are written by anybody. Spans over a real collector: acceptance/test_traces.py."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_producer.client.trace_context import TraceContext, parse, span_of, trace_of

if TYPE_CHECKING:
    from collections.abc import Mapping

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
JOB = "0c7f2b9e-5a43-4d3c-9a52-8d4a3b0f6e21"
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)
IDS = st.tuples(
    st.text("0123456789abcdef", min_size=32, max_size=32), st.text("0123456789abcdef", min_size=16, max_size=16)
)


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-fe", False),
        (f"cc-{TRACE}-{SPAN}-03-what-the-future-holds", True),
    ],
)
def test_what_the_standard_allows_is_read(header: str, sampled: bool) -> None:
    assert parse(header) == TraceContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "header",
    [
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 512}",
        f"cc-{TRACE}-{SPAN}-01-\x1b[2J",
        b"00",
        1e999,
    ],
)
def test_what_it_does_not_allow_is_nothing(header: object) -> None:
    assert parse(header) is None


@given(JSON | IDS.map(lambda ids: f"00-{ids[0]}-{ids[1]}-01"))
def test_whatever_is_read_is_written_again_in_55_harmless_characters(value: Any) -> None:
    read = parse(value)
    if read is not None:
        assert parse(read.header()) == read
        assert len(read.header()) == 55


def test_ids_that_are_derived_are_valid_and_a_job_names_its_trace() -> None:
    derived = TraceContext(trace_of(JOB), span_of("job", JOB), sampled=True)
    assert parse(derived.header()) == derived
    assert derived.trace == JOB.replace("-", "")
    assert span_of("job", JOB) != span_of("task", JOB)


ABSENT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
"""


def traces_of(environ: Mapping[str, str], before: str = "") -> str:
    script = f"{before}\nimport phoenix_worker.app, sys\nfrom phoenix_worker.telemetry import traces\n"
    script += f"print(traces.use({dict(environ)!r}) is not None, 'phoenix_worker.telemetry.open_spans' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_nothing_is_imported_and_nothing_happens_unless_it_is_installed_and_wanted() -> None:
    """redis-py imports the SDK by itself where it is installed; the exporter is ours alone."""
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    assert traces_of({}) == "False False"
    assert traces_of(endpoint, ABSENT) == "False False"
    assert traces_of(endpoint) == "True True"
    assert traces_of(endpoint | {"OTEL_SDK_DISABLED": "true"}) == "False False"
