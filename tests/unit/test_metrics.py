"""What is counted of an act. None of it needs a Redis."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from phoenix_worker.durable.acts import Act, Kind
from phoenix_worker.durable.run import End
from phoenix_worker.proxmox.translate import Request
from phoenix_worker.telemetry.metrics import Meters, endpoint


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def meters(registry: CollectorRegistry) -> Meters:
    return Meters(registry)


def ended(kind: Kind, value: Any, end: End | None = None) -> Act:
    return Act(kind, "phoenix.clone", "id", "job", "103", value=value, end=end or End())


def labels_of(registry: CollectorRegistry, name: str, label: str) -> set[str]:
    """The values of a label that something was counted for."""
    return {one.labels[label] for family in registry.collect() for one in family.samples if one.name == name}


def test_a_step_is_no_job(meters: Meters, registry: CollectorRegistry) -> None:
    meters.count(ended(Kind.SUCCEEDED, {"name": "clone", "seconds": 2.0}))
    assert registry.get_sample_value("phoenix_step_seconds_sum", {"step": "clone"}) == 2.0
    assert not [
        sample for family in registry.collect() for sample in family.samples if sample.name == "phoenix_jobs_total"
    ]


@pytest.mark.parametrize(
    ("kind", "value", "outcome"),
    [
        (Kind.SUCCEEDED, {"outcome": "created"}, "created"),
        (Kind.SUCCEEDED, {"outcome": "created", "dry_run": True}, "dry-run"),
        (Kind.SUCCEEDED, [101, 103], "answered"),
        (Kind.FAILED, {"cause": "not-ours"}, "failed"),
        (Kind.FAILED, "a text", "failed"),
        (Kind.CANCELLED, {"cause": "cancelled"}, "cancelled"),
    ],
)
def test_a_job_counts_once_by_its_outcome(
    meters: Meters, registry: CollectorRegistry, kind: Kind, value: Any, outcome: str
) -> None:
    meters.count(ended(kind, value, End(1.0, request="phoenix.ensure")))
    assert registry.get_sample_value("phoenix_jobs_total", {"request": "ensure", "outcome": outcome}) == 1
    failures = {"not-ours"} if value == {"cause": "not-ours"} else {"unknown"} if kind is Kind.FAILED else set()
    counted = {
        s.labels["cause"] for f in registry.collect() for s in f.samples if s.name == "phoenix_job_failures_total"
    }
    assert counted == failures


def test_what_is_added_is_what_nobody_else_needed(meters: Meters, registry: CollectorRegistry) -> None:
    parked = {"upid": 3.0, "template": 1.0, "lock": 4.0, "job": 0.5}
    meters.count(ended(Kind.SUCCEEDED, {"outcome": "created"}, End(9.0, parked, request="phoenix.ensure")))
    assert registry.get_sample_value("phoenix_job_added_seconds_sum", {"request": "ensure"}) == 0.5
    spent = {on: registry.get_sample_value("phoenix_job_spent_seconds_total", {"on": on}) for on in ("proxmox", "own")}
    assert spent == {"proxmox": 4.0, "own": 0.5}


def test_two_things_at_once_add_nothing_negative(meters: Meters, registry: CollectorRegistry) -> None:
    meters.count(ended(Kind.SUCCEEDED, {}, End(1.0, {"job": 2.0}, request="phoenix.ensure")))
    assert registry.get_sample_value("phoenix_job_added_seconds_sum", {"request": "ensure"}) == 0.0


def test_locks_retries_and_recoveries(meters: Meters, registry: CollectorRegistry) -> None:
    meters.count(Act(Kind.HOLDS, "phoenix.clone", on="ct/900", seconds=7.0))
    meters.count(Act(Kind.HOLDS, "phoenix.clone", on="node/pve1", seconds=0.0))
    meters.count(Act(Kind.TRIES_LATER, "phoenix.clone"))
    meters.count(Act(Kind.TAKEN_OVER, value=3))
    meters.count(Act(Kind.SENT_AGAIN, value=2))
    meters.count(Act(Kind.WENT_BACK))
    assert registry.get_sample_value("phoenix_lock_wait_seconds_sum", {"kind": "ct"}) == 7.0
    assert registry.get_sample_value("phoenix_lock_wait_seconds_count", {"kind": "node"}) == 1
    assert registry.get_sample_value("phoenix_retries_total", {"step": "clone"}) == 1
    assert registry.get_sample_value("phoenix_recoveries_total", {"what": "run"}) == 3
    assert registry.get_sample_value("phoenix_recoveries_total", {"what": "message"}) == 2
    assert registry.get_sample_value("phoenix_redis_rollbacks_total") == 1


def test_a_call_counts_by_the_kind_of_its_path(meters: Meters, registry: CollectorRegistry) -> None:
    meters.count_call(Request("GET", "nodes/pve1/lxc/103/config", "look", ""), "500", 0.02)
    labels = {"method": "GET", "endpoint": "nodes/{node}/lxc/{ctid}/config", "status": "500"}
    assert registry.get_sample_value("phoenix_proxmox_calls_total", labels) == 1
    assert registry.get_sample_value("phoenix_proxmox_call_seconds_sum", {"method": "GET"}) == 0.02


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("nodes/pve1/tasks/UPID:pve1:0:0:0:vzclone:900:a@pve!t:/status", "nodes/{node}/tasks/{upid}/status"),
        ("nodes/pve1/storage/local/content", "nodes/{node}/storage/{storage}/content"),
        ("nodes/pve1/qemu/1002/status/current", "nodes/{node}/qemu/{vmid}/status/current"),
        ("nodes/pve1/lxc/103/firewall/rules/4", "nodes/{node}/lxc/{ctid}/firewall/rules/{position}"),
        ("nodes/pve1/lxc/103/snapshot/before", "nodes/{node}/lxc/{ctid}/snapshot/{snapshot}"),
        ("cluster/resources", "cluster/resources"),
        ("nodes/pve1/lxc", "nodes/{node}/lxc"),
    ],
)
def test_no_ctid_node_or_upid_is_in_a_label(path: str, kind: str) -> None:
    assert endpoint(path) == kind
