"""What is counted of an act. None of it needs a Redis."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from phoenix_worker.durable.acts import Act, Kind
from phoenix_worker.durable.run import End
from phoenix_worker.proxmox.translate import Request
from phoenix_worker.tasks import ensure, looks, migrating, nodes, upkeep  # noqa: F401 - tasks name themselves there
from phoenix_worker.tasks.registry import TASKS
from phoenix_worker.telemetry import known_labels
from phoenix_worker.telemetry.metrics import Meters
from phoenix_worker.telemetry.paths import endpoint
from tests.unit.causes import ONLY_BY_HTTP, causes


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def meters(registry: CollectorRegistry) -> Meters:
    return Meters(registry)


def ended(kind: Kind, value: Any, end: End | None = None) -> Act:
    return Act(kind, "phoenix.clone", "id", "job", "103", value=value, end=end or End())


def counted(registry: CollectorRegistry, name: str, label: str) -> set[str]:
    """The values of a label that something was counted for."""
    samples = [one for family in registry.collect() for one in family.samples if one.name == name and one.value]
    return {one.labels[label] for one in samples}


def series(meters: Meters) -> dict[str, set[tuple[str, ...]]]:
    """The labels of every series that there is, whatever it says; by family."""
    return {name: set(getattr(meter, "_metrics", {})) for name, meter in vars(meters).items()}


def test_a_step_is_no_job(meters: Meters, registry: CollectorRegistry) -> None:
    meters.count(ended(Kind.SUCCEEDED, {"name": "clone", "seconds": 2.0}))
    assert registry.get_sample_value("phoenix_step_seconds_sum", {"step": "clone"}) == 2.0
    assert not counted(registry, "phoenix_jobs_total", "outcome")


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
    assert counted(registry, "phoenix_job_failures_total", "cause") == failures


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
        ("nodes/pve1/storage/a/content/a:109/vm-109-disk-0.raw", "nodes/{node}/storage/{storage}/content/{volume}"),
        ("nodes/pve1/qemu/1002/status/current", "nodes/{node}/qemu/{vmid}/status/current"),
        ("nodes/pve1/lxc/103/firewall/rules/4", "nodes/{node}/lxc/{ctid}/firewall/rules/{position}"),
        ("nodes/pve1/lxc/103/snapshot/before", "nodes/{node}/lxc/{ctid}/snapshot/{snapshot}"),
        ("cluster/resources", "cluster/resources"),
        ("nodes/pve1/lxc", "nodes/{node}/lxc"),
        ("cluster/ha/resources/ct:103", "cluster/ha/resources/{sid}"),
    ],
)
def test_no_ctid_node_or_upid_is_in_a_label(path: str, kind: str) -> None:
    assert endpoint(path) == kind


def test_the_known_labels_are_those_of_the_product() -> None:
    of_jobs = causes() - ONLY_BY_HTTP
    assert of_jobs == known_labels.CAUSES, "a cause is new, or gone: correct it in telemetry/known_labels.py"
    assert {name.removeprefix("phoenix.") for name in TASKS} == known_labels.TASKS
    assert len(known_labels.ENDPOINTS) < 60, "each is a series for each status"


def test_every_counter_is_there_from_the_start_and_says_0(meters: Meters, registry: CollectorRegistry) -> None:
    told = {family.name: family for family in registry.collect()}
    names = {meter._name for meter in vars(meters).values()}
    assert told.keys() == names
    assert all(family.samples for family in told.values())
    samples = [one for family in told.values() for one in family.samples if not one.name.endswith("_created")]
    assert {one.value for one in samples} == {0.0}
    first = {"method": "POST", "endpoint": "nodes/{node}/lxc/{ctid}/clone", "status": "401"}
    assert registry.get_sample_value("phoenix_proxmox_calls_total", first) == 0
    assert registry.get_sample_value("phoenix_job_failures_total", {"cause": "no-space"}) == 0


NAMES = st.sampled_from(["phoenix.ensure", "phoenix.clone", "phoenix.x", "", "clone", "ct/900", "node/a", "flood/1"])
ANYTHING = st.one_of(st.text(max_size=8), st.sampled_from(sorted(known_labels.CAUSES)), st.none(), st.integers())
VALUES = st.dictionaries(st.sampled_from(["cause", "outcome", "dry_run"]), ANYTHING)
STEP = st.fixed_dictionaries({"seconds": st.floats(0, 9), "name": NAMES})
WAITED = st.dictionaries(st.sampled_from(["upid", "lock", "x"]), st.floats(0, 9))
ENDS = st.builds(End, st.none() | st.floats(0, 9), WAITED, request=NAMES)
TOLD = st.sampled_from([kind for kind in Kind if kind not in {Kind.TAKEN_OVER, Kind.SENT_AGAIN}])
ACTS = st.builds(Act, TOLD, NAMES, on=NAMES, seconds=st.floats(0, 9), value=VALUES | STEP, end=ENDS)
COUNTS = st.builds(Act, st.sampled_from([Kind.TAKEN_OVER, Kind.SENT_AGAIN]), value=st.integers(1, 9))
CALLS = st.builds(Request, st.sampled_from(["GET", "PUT"]), st.text(max_size=30), st.just(""), st.just(""))


ALL = Meters(CollectorRegistry())
FIRST = series(ALL)


@given(st.lists(ACTS | COUNTS, max_size=9), st.lists(st.tuples(CALLS, st.text(max_size=5)), max_size=9))
def test_nothing_that_happens_makes_a_series(acts: list[Act], calls: list[tuple[Request, str]]) -> None:
    """What senders, Proxmox and Redis say cannot make more of them, and the first of each kind is an increase."""
    for act in acts:
        ALL.count(act)
    for request, status in calls:
        ALL.count_call(request, status, 0.1)
    assert series(ALL) == FIRST
