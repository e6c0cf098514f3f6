"""A client that is generated from docs/openapi.json asks the server: `make test-browser`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from phoenix_producer.http.tokens import Role
from tests.integration.conftest import answering_url
from tests.support.http_door import serving

__all__ = ["answering_url"]

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
REFUSED = 404
SCRIPT = Path(__file__).with_name("generated_client.py")
MADE = ROOT / "build" / "http-client"


def test_it_reads_results_problems_and_lists(answering_url: str, tmp_path: Path) -> None:
    subprocess.run([ROOT / "scripts" / "http_client.sh"], check=True, timeout=600)
    with serving(answering_url, tmp_path) as server:
        door = server.as_a(Role.OPERATOR)
        done = subprocess.run(
            [MADE / "venv/bin/python", SCRIPT, door.url, str(door.token), str(REFUSED)],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONPATH": str(MADE / "made")},
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["outcome"], told["state"], told["cause"]) == ("created", "done", "not-ours")
    assert told["remedy"] == 'Use --adopt. By HTTP: `--adopt` is `"adopt": true` in the body.'
    assert told["url"].startswith("/v1/requests/")
    assert 103 in told["standing"]
    assert told["jobs"] >= 3
