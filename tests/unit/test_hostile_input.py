"""Whatever comes as a message or as a catalog: it is taken, or refused in words; nothing else happens."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phoenix_producer.contract import ContractError, EnsureFailed, EnsureRequest, Progress, parse_request
from phoenix_worker.catalog.entry import Entry
from phoenix_worker.catalog.findings import CatalogError
from phoenix_worker.catalog.foreign_values import OF_OTHER_TOOLS, OF_PROXMOX
from phoenix_worker.catalog.likely_keys import SECTIONS
from phoenix_worker.catalog.loading import Catalog, Defaults, load_bytes
from phoenix_worker.catalog.tool_blocks import BLOCKS
from phoenix_worker.durable.message_form import id_of, objection
from phoenix_worker.durable.transport import Channel  # noqa: F401 - what reads the queues
from tests.support.product import EXAMPLE

DEFAULTS = Defaults(node="pve1")
EXAMPLES = json.loads(EXAMPLE.read_text())["lxc_configs"]
LIMITS = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])

odd_numbers = st.sampled_from([0, -1, 99, 100, 10**9, 10**30, -(2**63), 1e308, -0.5])
odd_texts = st.sampled_from(
    ["", " ", "\x00", "\n", "../../etc/passwd", "$(reboot)", "'; DROP", "a" * 70_000, "\ud800", "९", "%s", "{0}", "-rf"]
)
scalars = st.none() | st.booleans() | odd_numbers | odd_texts | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
)
FIELDS = st.sampled_from([*EnsureRequest.model_fields, "__class__", "ctid ", "CTID"])


@LIMITS
@given(st.dictionaries(FIELDS | st.text(max_size=8), anything, max_size=6))
def test_a_request_is_taken_or_refused_in_one_line(fields: dict[str, Any]) -> None:
    answer = taken_or_refused(fields)
    if isinstance(answer, str):
        assert answer.startswith("Not a valid ensure request: ")
        assert answer.isprintable()
        assert len(answer) < 2000
    else:
        assert 100 <= answer.ctid < 10**9
        assert EnsureRequest.model_validate_json(answer.model_dump_json()) == answer


def taken_or_refused(fields: dict[str, Any]) -> EnsureRequest | str:
    try:
        return parse_request(fields)
    except ContractError as error:
        return str(error)


MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "body": anything | st.binary(max_size=40).map(bytes.hex),
        "content-type": st.just("application/json") | anything,
        "content-encoding": st.just("utf-8") | anything,
        "headers": anything
        | st.dictionaries(st.sampled_from(["task", "id", "eta", "expires", "retries", "compression"]), anything),
        "properties": anything
        | st.dictionaries(
            st.sampled_from(["delivery_tag", "delivery_info", "body_encoding", "correlation_id"]), anything
        ),
    },
)


@LIMITS
@given(MESSAGE | anything)
def test_an_item_of_a_queue_is_taken_or_objected_to(item: Any) -> None:
    why = objection(item)
    assert why is None or why.strip()
    task_id = id_of(item)
    assert task_id is None or 0 < len(task_id) <= 155


def loaded(data: bytes) -> Catalog | CatalogError:
    """Load it beside no script."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return load_bytes(data, Path(folder), DEFAULTS)
        except CatalogError as error:
            return error


def judged(data: bytes) -> None:
    """It is a catalog of sound declarations, or an error with at least one reason that any terminal can show."""
    found = loaded(data)
    if isinstance(found, CatalogError):
        assert found.refusals
        for refusal in (*found.refusals, *found.warnings):
            str(refusal).encode()
            assert refusal.remedy
            assert len(str(refusal)) < 2000
    else:
        assert all(100 <= ctid < 10**9 and one.hash and one.name for ctid, one in found.items())


@LIMITS
@given(st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_catalog_or_refused(data: bytes) -> None:
    judged(data)


@LIMITS
@given(st.data())
def test_a_catalog_with_something_odd_in_it_is_taken_or_refused(data: st.DataObject) -> None:
    """The example, with a few of its values, keys and CTIDs exchanged for anything."""
    entries = json.loads(json.dumps(EXAMPLES))
    for _ in range(data.draw(st.integers(1, 3))):
        ctid = data.draw(st.sampled_from(sorted(entries)))
        entry = entries[ctid]
        if not isinstance(entry, dict) or not entry or data.draw(st.integers(0, 9)) == 0:
            entries[data.draw(odd_texts)] = data.draw(anything)
            continue
        key = data.draw(st.sampled_from(sorted(entry)))
        inner = entry[key]
        if isinstance(inner, dict) and inner and data.draw(st.booleans()):
            inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(anything)
        else:
            entry[key] = data.draw(anything)
    judged(json.dumps({"lxc_configs": entries}).encode())


NAMES = [*Entry.model_fields, *OF_PROXMOX, *OF_OTHER_TOOLS, *BLOCKS, "net0", "mp0", "dev1", "lxc"]
PARTS = sorted(
    {field for model in SECTIONS.values() for field in model.model_fields} | {"volume", "ipv4", "dns", "mode"}
)
READ = st.sampled_from([None, True, 0, -1, "", "0", "8G", "dhcp", "/a:/b", "tank:8,mp=/x", "net0", "ro", "=", ","])
NEARLY = st.recursive(
    READ, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(PARTS), inner, max_size=3)
)


@settings(LIMITS, max_examples=60)
@given(st.dictionaries(st.sampled_from(NAMES), NEARLY, min_size=1, max_size=3))
def test_what_is_nearly_read_is_refused_in_words(keys: dict[str, Any]) -> None:
    """The remedies read values of other tools, which may have any form."""
    entry = {"name": "web", "template": "local:vztmpl/x.tar.zst"} | keys
    judged(json.dumps({"lxc_configs": {"103": entry}}).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"lxc_configs": ' + b'{"100": ' * 5_000,
        b'{"lxc_configs": {"100": {"memory_mb": 1e999}}}',
        b'{"lxc_configs": {"100": {"memory_mb": ' + b"9" * 6_000 + b"}}}",
        b'{"lxc_configs": {"100": {"network_config": {"rate": 1' + b"0" * 400 + b"}}}}",
        b'{"lxc_configs": {"100": {}, "100": {}}}',
        b'{"lxc_configs": {"100": {"name": "\\ud800"}}}',
        b"\xff\xfe\x00",
    ],
    ids=[
        "deep",
        "deep objects",
        "infinite",
        "a huge number",
        "a number too large to compare",
        "twice",
        "half a character",
        "no text",
    ],
)
def test_what_breaks_parsers_is_refused(data: bytes) -> None:
    assert isinstance(loaded(data), CatalogError)
    judged(data)


@LIMITS
@given(anything)
def test_a_failure_of_any_form_can_be_shown(value: Any) -> None:
    """A requester shows what a worker, or whoever writes results, has sent."""
    assert isinstance(str(EnsureFailed(value)), str)


def test_a_history_of_a_newer_worker_is_no_error() -> None:
    assert Progress.model_validate({"at": 1.0, "kind": "done", "job": "x", "new": [{}]}).job == "x"
