"""What a worker serves to Prometheus, and that dashboard and alerts ask for nothing else."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from phoenix_producer import EnsureFailed
from tests.acceptance.scenes import failure_of
from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product
    from tests.support.worker import WorkerProcess

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana" / "phoenix-lxc.json"
ALERTS = DEPLOY / "prometheus" / "phoenix-lxc-alerts.yml"


class Scrape(NamedTuple):
    """What was served at one moment."""

    types: dict[str, str]
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float:
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    def total(self, name: str) -> float:
        return sum(value for (sample, _), value in self.samples.items() if sample == name)


def address_of(worker: WorkerProcess) -> str:
    """Where it serves."""
    found = re.search(r"Metrics: (http://127\.0\.0\.1:\d+/metrics)", worker.log())
    assert found, worker.log()
    return found[1]


def scrape(worker: WorkerProcess) -> Scrape:
    answer = requests.get(address_of(worker), timeout=60)
    answer.raise_for_status()
    families = list(text_string_to_metric_families(answer.text))
    samples = {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}
    return Scrape({family.name: family.type for family in families}, samples)


def asked_for() -> dict[str, str]:
    """Every query of the dashboard and the alerts, by what it is for."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = {f"{panel['title']} {one['refId']}": one["expr"] for panel in panels for one in panel["targets"]}
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    return queries | {rule["alert"]: rule["expr"] for rule in rules}


def test_a_scrape_tells_what_was_done_and_what_waits(product: Product) -> None:
    product.declare({900: template(), **{ctid: container(ctid) for ctid in range(101, 107)}})
    worker = product.start_worker(PHOENIX_METRICS_ADDRESS="127.0.0.1:0")
    begin = scrape(worker)
    assert begin.total("phoenix_jobs_total") == 0
    assert (begin.value("phoenix_lane_queue_length", template="900"), begin.total("phoenix_lane_held_seconds")) == (
        0,
        0,
    )
    assert [
        labels
        for name, labels in begin.samples
        if name == "phoenix_build_info" and ("version", version("phoenix-lxc")) in labels
    ]
    assert begin.value("process_resident_memory_bytes") > 10_000_000
    product.ensure(101)
    product.ensure(101)
    product.ensure(102, dry_run=True)
    product.simulator.pve.task_failures["vzclone"].append("no space left on device")
    failed = failure_of(product.producer.ensure(103))
    product.simulator.pve.ct_secs["clone"] = 600
    waiting = [product.producer.ensure(104), product.producer.ensure(105)]
    wait_for(lambda: scrape(worker).value("phoenix_parked_tasks", on="lock") == 1)
    wait_for(lambda: scrape(worker).value("phoenix_parked_tasks", on="proxmox") == 1)
    seen = scrape(worker)
    assert seen.value("phoenix_lock_queue_length", lock="ct/900") == 1
    assert seen.value("phoenix_lane_queue_length", template="900") == 1
    wait_for(lambda: scrape(worker).value("phoenix_lane_held_seconds", template="900") > 0)
    assert (seen.value("phoenix_workers"), seen.value("phoenix_redis_up")) == (1, 1)
    for queue in ("phoenix.ensure", "phoenix.upkeep"):
        assert seen.value("phoenix_queue_length", queue=queue) == 0
        assert seen.value("phoenix_queue_workers", queue=queue) == 1
    for outcome in ("created", "unchanged", "dry-run", "failed"):
        assert seen.value("phoenix_jobs_total", request="ensure", outcome=outcome) == 1, outcome
    assert seen.value("phoenix_job_failures_total", cause=failed.cause) == 1
    steps = {step: seen.value("phoenix_step_seconds_count", step=step) for step in ("create", "seal", "clone", "start")}
    assert steps == dict.fromkeys(steps, 1)
    assert 0 < seen.value("phoenix_job_added_seconds_sum", request="ensure") < seen.total("phoenix_job_seconds_sum")
    assert seen.value("phoenix_job_spent_seconds_total", on="proxmox") > 0.1
    assert seen.value("phoenix_lock_wait_seconds_count", kind="ct") >= 6
    posted = {"method": "POST", "endpoint": "nodes/{node}/lxc/{ctid}/clone", "status": "200"}
    assert seen.value("phoenix_proxmox_calls_total", **posted) == 3
    assert seen.total("phoenix_proxmox_calls_total") <= len(product.calls())

    for handle in waiting:
        handle.cancel()
    assert [failure_of(handle).cause for handle in waiting] == ["cancelled"] * 2
    wait_for(lambda: scrape(worker).value("phoenix_jobs_total", request="ensure", outcome="cancelled") == 2)
    wait_for(lambda: scrape(worker).total("phoenix_parked_tasks") == 0)
    counters = {name for name, kind in seen.types.items() if kind in {"counter", "histogram"}}
    born = {
        one
        for one in seen.samples.keys() - begin.samples.keys()
        if re.sub(r"_(total|bucket|sum|count)$", "", one[0]) in counters
    }
    assert born == set(), "each was there, at 0, before it counted anything"
    dashboard_and_alerts_ask_only_for(seen)


def dashboard_and_alerts_ask_only_for(seen: Scrape) -> None:
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    served = {name + end for name, kind in seen.types.items() for end in suffixes[kind]}
    labels = {name for (_, pairs) in seen.samples for name, _ in pairs} | {"le", "instance", "what"}
    queries = asked_for()
    for what, query in queries.items():
        names = set(re.findall(r"\b(?:phoenix|process)_\w+", query))
        assert names, what
        assert names <= served, what
        asked = set(re.findall(r"(\w+)[!=]=?~?\"", query))
        asked |= {one.strip() for some in re.findall(r"(?:by|on) \(([^)]*)\)", query) for one in some.split(",")}
        assert asked <= labels, what
    used_names = set(re.findall(r"\bphoenix_\w+", " ".join(queries.values())))
    ours = [name for name in seen.types if not name.startswith("process_")]
    unseen = {name for name in ours if not any(used.startswith(name) for used in used_names)}
    assert unseen == set(), "each family is on the dashboard or in an alert"


def test_child_processes_are_counted_together(product: Product) -> None:
    counts = product.catalog.parent / "counts"
    counts.mkdir()
    worker = product._start(
        "phoenix_worker",
        product.environ(PHOENIX_METRICS_ADDRESS="127.0.0.1:0", PROMETHEUS_MULTIPROC_DIR=str(counts)),
        concurrency=2,
        flags=("--without-gossip", "--without-mingle", "--without-heartbeat", "--pool", "processes"),
    )
    assert product.ensure(103).outcome == "created"
    for _ in range(5):
        assert product.ensure(103).outcome == "unchanged"
    wait_for(lambda: scrape(worker).value("phoenix_jobs_total", request="ensure", outcome="unchanged") == 5)
    assert scrape(worker).value("phoenix_step_seconds_count", step="clone") == 1
    assert scrape(worker).value("phoenix_redis_up") == 1


def test_an_address_that_is_taken_stops_no_worker(product: Product) -> None:
    first = product.start_worker("w1", PHOENIX_METRICS_ADDRESS="127.0.0.1:0")
    found = re.search(r"Metrics: http://(127\.0\.0\.1:\d+)/metrics", first.log())
    assert found
    second = product.start_worker("w2", PHOENIX_METRICS_ADDRESS=found[1])
    assert "No metrics: " in second.log()
    first.term()
    first.wait()
    try:
        assert product.ensure(103).outcome == "created"
    except EnsureFailed as error:
        raise AssertionError(second.log()) from error
