"""`phoenix-lxc nodes`, `drain` and `undrain` as they are typed and read."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from phoenix_producer import Node, NodeState
from phoenix_producer.cli.phoenix_lxc import app
from phoenix_producer.cli.terminal import time_of_day
from phoenix_producer.contract import MIGRATE, Outcome
from phoenix_producer.testing import RecordingProducer
from tests.support.recorded_commands import have_commands_use

GIB = 1 << 30


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> RecordingProducer:
    producer = RecordingProducer()
    have_commands_use(producer, monkeypatch)
    return producer


def test_nodes_are_a_table_or_json(producer: RecordingProducer) -> None:
    at = time.time()
    room = {"cpus": 4, "cpu_used": 0.25, "memory": 8 * GIB, "memory_free": 6 * GIB}
    producer.has_nodes(
        Node(name="pve1", state=NodeState.ONLINE, in_flight=2, places=4, waiting=3, templates=(900, 901), **room),
        Node(name="pve2", state=NodeState.DRAINED, drained_by="ops", drained_at=at, reserved=(103,), places=4),
        Node(name="pve3", state=NodeState.OFFLINE, drained_by="ops", drained_at=at, places=4),
    )
    lines = invoke("nodes").stdout.splitlines()
    assert lines[0].split() == ["NODE", "STATE", "CPU", "MEMORY", "FREE", "RESERVED", "IN", "FLIGHT", "TEMPLATES"]
    for cell in ("online", "25% of 4", "6.0 GiB of 8.0 GiB", "2 of 4, 3 waiting", "900, 901"):
        assert cell in lines[1]
    assert f"drained since {time_of_day(at)} by ops" in lines[2]
    assert "0.0 GiB for 103" in lines[2]
    assert f"offline, drained since {time_of_day(at)} by ops" in lines[3]
    told = json.loads(invoke("nodes", "--json").stdout)
    assert [(one["name"], one["state"], one["cpus"]) for one in told] == [
        ("pve1", "online", 4),
        ("pve2", "drained", None),
        ("pve3", "offline", None),
    ]


def test_a_line_names_only_the_first_few(producer: RecordingProducer) -> None:
    """Two hundred containers are placed on thirty-two nodes at once; a line is still read on one."""
    many, few = tuple(range(1000, 1200)), tuple(range(900, 906))
    producer.has_nodes(*(Node(name=f"pve{n}", state=NodeState.ONLINE, reserved=many, templates=few) for n in range(32)))
    _, *lines = invoke("nodes").stdout.splitlines()
    assert len(lines) == 32
    assert max(map(len, lines)) < 130
    assert "0.0 GiB for 1000, 1001, 1002, 1003, 1004 and 195 others" in lines[0]
    assert lines[0].endswith("900, 901, 902, 903, 904, 905")
    assert len(json.loads(invoke("nodes", "--json").stdout)[0]["reserved"]) == 200


def test_a_name_that_is_none_sends_nothing(producer: RecordingProducer) -> None:
    for command in ("drain", "undrain"):
        refused = invoke(command, "pve_2")
        assert (refused.exit_code, producer.requests) == (2, ())
        assert f"Not a valid {command} request: node: " in refused.stderr


@pytest.mark.parametrize(
    ("command", "answer", "line"),
    [
        ("drain", {"drained": True, "changed": True}, "pve2  drained: takes no new containers"),
        ("drain", {"drained": True, "changed": False, "by": "ops"}, "pve2  was drained already by ops"),
        ("undrain", {"drained": False, "changed": True}, "pve2  takes new containers again"),
        ("undrain", {"drained": False, "changed": False}, "pve2  takes new containers; it was not drained"),
    ],
)
def test_what_became_of_it_is_one_line(
    producer: RecordingProducer, command: str, answer: dict[str, Any], line: str
) -> None:
    producer.drains("pve2", **answer)
    assert invoke(command, "pve2").stdout == f"{line}\n"
    assert [(one.name, one.arguments) for one in producer.requests] == [(f"phoenix.{command}", ("pve2",))]
    assert json.loads(invoke(command, "pve2", "--json").stdout)["changed"] == answer["changed"]


@pytest.mark.parametrize("command", ["move 103 --to pve2", "migrate 103 --to pve2", "migrate --to=pve2 103"])
def test_a_migration_says_from_where_to_where(producer: RecordingProducer, command: str) -> None:
    producer.succeeds(103, Outcome.MIGRATED, of=MIGRATE, node="pve2", moved_from="pve1", warnings=("Mind it.",))
    told = invoke(*command.split())
    assert (told.exit_code, "103  migrated from pve1 to pve2\n" in told.stdout) == (0, True)
    assert "Warning: Mind it." in told.stderr
    assert [(one.name, one.options) for one in producer.requests] == [(MIGRATE, {"to": "pve2"})]


def test_restart_and_dry_run_are_passed_on_and_a_node_is_needed(producer: RecordingProducer) -> None:
    for ctid in (103, 104):
        producer.succeeds(ctid, Outcome.MIGRATED, of=MIGRATE, plan=("migrate it",))
    foretold = invoke("move", "103", "104", "103", "--to", "pve2", "--restart", "--dry-run")
    assert "104  would be migrated on pve\n     would migrate it\n" in foretold.stdout
    assert [one.ctid for one in producer.requests] == [103, 104]
    assert producer.requests[0].options == {"to": "pve2", "restart": True, "dry_run": True}
    assert invoke("move", "103").exit_code == 2
    assert invoke("move", "103", "--to", "a_b").exit_code == 2
    assert len(producer.requests) == 2
