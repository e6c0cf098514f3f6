"""What is shipped for Prometheus and Grafana fits together. What a worker serves: acceptance/test_metrics.py."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from tests.support.worker import ROOT

DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus" / "phoenix-lxc-alerts.yml"
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
}
PANELS = {panel["id"]: panel for panel in json.loads((DEPLOY / "grafana" / "phoenix-lxc.json").read_text())["panels"]}
RED = {
    "PhoenixNoWorker": "Workers",
    "PhoenixRedisAway": "Redis",
    "PhoenixProxmoxAway": "Calls that failed",
    "PhoenixQueueStands": "Messages in the queues",
    "PhoenixLongWaitForLock": "Waiting for a lock",
    "PhoenixSlow": "Added to Proxmox's own time",
}


def test_each_alert_is_tested_by_what_raises_it_and_by_what_does_not() -> None:
    """`make test-browser` has promtool run them."""
    tests = yaml.safe_load(ALERTS.with_name("phoenix-lxc-alerts.test.yml").read_text())["tests"]
    expected = [(one["alertname"], bool(one["exp_alerts"])) for test in tests for one in test["alert_rule_test"]]
    assert set(expected) == {(alert, fires) for alert in RULES for fires in (True, False)}


def test_the_dashboard_turns_red_where_an_alert_is_raised() -> None:
    for alert, title in RED.items():
        limit = float(re.split(r" [<>] ", RULES[alert]["expr"])[-1])
        panels = [panel for panel in PANELS.values() if panel["title"] == title]
        assert panels, title
        for panel in panels:
            steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            assert limit in [step["value"] for step in steps], (alert, title)
            assert "red" in [step["color"] for step in steps]


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS.values():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
