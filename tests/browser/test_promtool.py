"""Prometheus's own verdict on what is shipped for it and of what a worker serves: `make test-browser`."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import requests

from tests.acceptance.test_metrics import ALERTS, address_of
from tests.browser.test_in_a_browser import HERE
from tests.support.product import container, template

if TYPE_CHECKING:
    from tests.support.product import Product

pytestmark = pytest.mark.browser
PROMTOOL = shutil.which("promtool") or str(HERE / ".tools" / "usr" / "bin" / "promtool")
TESTS = ALERTS.with_name("phoenix-lxc-alerts.test.yml")


def promtool(*arguments: str, stdin: str = "") -> str:
    """Run it where the rules are; returns what it says."""
    done = subprocess.run(
        [PROMTOOL, *arguments], input=stdin, capture_output=True, text=True, timeout=180, cwd=ALERTS.parent, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_each_alert_fires_for_what_it_is_for_and_for_nothing_else() -> None:
    assert "SUCCESS" in promtool("check", "rules", "--lint-fatal", ALERTS.name)
    assert "SUCCESS" in promtool("test", "rules", TESTS.name)


def test_what_a_worker_serves_has_the_form_that_prometheus_recommends(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    worker = product.start_worker(PHOENIX_METRICS_ADDRESS="127.0.0.1:0")
    product.ensure(103)
    served = requests.get(address_of(worker), timeout=60).text
    assert promtool("check", "metrics", stdin=served) == ""
