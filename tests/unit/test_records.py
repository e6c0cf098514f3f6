"""What the journal has as JSON, read back; and what the words of a failed handshake mean."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from phoenix_producer.contract import Step
from phoenix_worker.core.model import records
from phoenix_worker.core.model.firewall import FirewallState
from phoenix_worker.core.model.home import at_home
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.model.property_string import parse, render, shown_gib, size_gib
from phoenix_worker.core.model.tls_trouble import TlsTrouble, tls_trouble
from tests.support.declared import MINIMAL

SEEN = Observation(
    103, "pve2", Presence.HERE, {"hostname": "x"}, "d1", running=True, ha_managed=True, pending=("memory",), pool="web"
)
WALL = FirewallState(enabled=True, rules=({"type": "in"},), digest="r1", policies={"policy_in": "DROP"})


@pytest.mark.parametrize("seen", [SEEN, replace(SEEN, firewall=WALL), Observation(9, "pve1", Presence.VM)])
def test_an_observation_is_what_it_was(seen: Observation) -> None:
    read = records.from_json(json.loads(json.dumps(records.to_json(seen))))
    assert read == seen
    assert hash(read.pending) == hash(seen.pending)


VALUES: list[dict[str, Any]] = [
    {"name": "clone", "ctid": 900, "warnings": ["a", "b"], "took": 1},
    {"name": "configure", "ctid": 103, "changes": [1, 2], "warnings": ["b"], "needs_rebuild": ["c"]},
    {"name": "configure", "ctid": 900, "changes": [3]},
    {"name": "seal", "ctid": 900, "not_applied": ["x", "y"]},
    {"name": "seal", "ctid": 901, "not_applied": []},
    {"name": "seal", "ctid": 103, "not_applied": ["z"]},
]


def test_what_steps_did_is_found_again() -> None:
    assert records.changes_in(VALUES) == (1, 2, 3)
    assert records.changes_in(VALUES, 900) == (3,)
    assert records.templates_in(VALUES) == (900, 901, 103)
    assert records.unapplied_in(VALUES, but=103) == {900: ("x", "y")}
    assert records.unapplied_in(VALUES, but=None) == {900: ("x", "y"), 103: ("z",)}
    assert records.told_in(VALUES, "warnings") == ("a", "b")
    assert records.told_in(VALUES, "warnings", "needs_rebuild") == ("a", "b", "c")


def test_steps_are_read_without_what_a_newer_worker_adds() -> None:
    step = Step(name="clone", ctid=900, detail="clone it", started=1.0, seconds=2.0)
    assert records.steps_in([{**step.model_dump(), "newer": 1}]) == (step,)


def test_a_container_that_was_migrated_is_at_home_where_it_stands() -> None:
    assert at_home(MINIMAL, SEEN).node == "pve2"
    for presence in (Presence.ABSENT, Presence.OTHER_NODE, Presence.VM):
        assert at_home(MINIMAL, replace(SEEN, presence=presence)) is MINIMAL


@pytest.mark.parametrize(
    ("words", "trouble"),
    [
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", TlsTrouble.NOT_TLS),
        ("record layer failure", TlsTrouble.NOT_TLS),
        ("[SSL: HTTP_REQUEST] http request", TlsTrouble.NOT_TLS),
        ("unknown protocol", TlsTrouble.NOT_TLS),
        ("packet length too long", TlsTrouble.NOT_TLS),
        ("certificate has expired", TlsTrouble.EXPIRED),
        ("sslv3 alert certificate expired", TlsTrouble.EXPIRED),
        ("Certificate is not yet valid", TlsTrouble.NOT_YET_VALID),
        ("Hostname mismatch, certificate is not valid for 'x'", TlsTrouble.OTHER_NAME),
        ("IP address mismatch", TlsTrouble.OTHER_NAME),
        ("hostname 'x' doesn't match 'y'", TlsTrouble.OTHER_NAME),
        ("tlsv1 unrecognized name", TlsTrouble.OTHER_NAME),
        ("EE certificate key too weak", TlsTrouble.WEAK),
        ("dh key too small", TlsTrouble.WEAK),
        ("tlsv1 alert protocol version", TlsTrouble.NOTHING_IN_COMMON),
        ("sslv3 alert handshake failure", TlsTrouble.NOTHING_IN_COMMON),
        ("tlsv13 alert certificate required", TlsTrouble.CLIENT_CERTIFICATE),
        ("self-signed certificate", TlsTrouble.UNTRUSTED),
        ("", TlsTrouble.UNTRUSTED),
    ],
)
def test_what_openssl_says_of_a_handshake(words: str, trouble: TlsTrouble) -> None:
    assert tls_trouble(words) is tls_trouble(words.upper()) is trouble


@pytest.mark.parametrize(
    ("text", "size"),
    [("8G", 8.0), ("512M", 0.5), ("1T", 1024.0), ("1048576K", 1.0), ("1073741824", 1.0), ("1.5G", 1.5), ("G", None)],
)
def test_a_size_is_read_in_gib(text: str, size: float | None) -> None:
    assert size_gib(text) == size


def test_a_volume_without_limit_is_larger_than_any() -> None:
    assert size_gib("0T") == float("inf")
    assert (shown_gib(float("inf")), shown_gib(0.5), shown_gib(8.0)) == ("without limit", "0.5 GiB", "8 GiB")


def test_a_property_string_is_read_and_written() -> None:
    parts = {"volume": "zfs:x", "mp": "/a=b", "acl": "1"}
    assert parse(" zfs:x, mp=/a=b,,acl=1 ", "volume") == parts
    assert render(parts, "mp") == "mp=/a=b,acl=1,volume=zfs:x"
    assert parse("") == {}
