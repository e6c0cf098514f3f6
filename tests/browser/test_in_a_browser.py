"""Flower as a person sees it, and a service that is not written in Python: `make test-browser`."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer.http.tokens import Role
from tests.acceptance.scenes import failure_of
from tests.support.flower import PASSWORD, USER, Flower
from tests.support.http_door import serving
from tests.support.product import container, template
from tests.support.waiting import wait_for
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.product import Product

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent


def node(script: str, *arguments: str) -> Any:
    """Run a script of this directory; returns the JSON that it prints."""
    done = subprocess.run(
        ["node", HERE / script, *arguments], check=False, capture_output=True, text=True, timeout=180, cwd=HERE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def flower(product: Product, tmp_path: Path) -> Iterator[Flower]:
    product.declare({900: template(), **{ctid: container(ctid) for ctid in range(101, 105)}})
    product.start_worker()
    with Flower(tmp_path, product.redis_url) as running:
        yield running


def look(flower: Flower, search: str, name: str = "") -> dict[str, Any]:
    seen: dict[str, Any] = node("look.mjs", flower.url, USER, PASSWORD, search, *([name] if name else []))
    seen["cells"] = [dict(zip(seen["head"], row, strict=True)) for row in seen["rows"]]
    return seen


def test_a_person_finds_ctid_state_and_error(product: Product, flower: Flower) -> None:
    product.ensure(101)
    product.simulator.pve.ct_secs["clone"] = 600
    waiting = product.producer.ensure(102)
    wait_for(lambda: flower.row("phoenix.clone", 102).get("state") == "WAITING-FOR-PROXMOX")
    seen = look(flower, waiting.id, "phoenix.clone")
    told = {row["Name"]: row for row in seen["cells"]}
    assert set(told) == {"phoenix.ensure", "phoenix.clone"}, "a search for the job finds all of it and nothing else"
    assert (told["phoenix.clone"]["State"], told["phoenix.ensure"]["State"]) == (
        "WAITING-FOR-PROXMOX",
        "RUNNING-ITS-STEPS",
    )
    assert told["phoenix.clone"]["args"] == "102 ct102"
    assert "waits for Proxmox: clone template 900 to CT 102 on pve1" in seen["page"]
    assert waiting.id in seen["page"]

    product.simulator.pve.ct_secs["clone"] = 0.1
    product.simulator.pve.task_failures["vzclone"].append("no space left on device")
    broken = product.producer.ensure(103)
    waiting.cancel()
    failed = failure_of(broken)
    wait_for(lambda: flower.row("phoenix.ensure", 103).get("state") == "FAILURE")
    seen = look(flower, broken.id, "phoenix.ensure")
    assert sorted((row["Name"], row["State"], row["args"][:3]) for row in seen["cells"]) == [
        ("phoenix.clone", "FAILURE", "103"),
        ("phoenix.ensure", "FAILURE", "103"),
    ]
    assert all(row["Exception"].startswith(failed.cause) for row in seen["cells"])
    assert "103" in seen["page"]
    assert f"{failed.cause}: {failed.message}" in seen["page"]
    assert failed.remedy in seen["page"]


@pytest.mark.parametrize("protocol", ["1", "2"])
def test_a_service_in_another_language_ensures_a_container(product: Product, protocol: str) -> None:
    product.start_worker()
    result = node("ensure.mjs", product.redis_url, "103", protocol)
    assert (result["ctid"], result["outcome"]) == (103, "created")
    assert product.status(103) == "running"


def documented(page: str, containing: str, **values: str) -> tuple[list[str], list[str]]:
    """Run an example of a page with other values; returns the lines of its output and of its errors."""
    blocks = re.findall(r"```js\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    (code,) = [one for one in blocks if containing in one]
    for written, value in values.items():
        assert written in code
        code = code.replace(written, value)
    command = ["node", "--input-type=module", "--eval", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=180, cwd=HERE)
    return done.stdout.splitlines(), done.stderr.splitlines()


def test_examples_in_javascript_read_a_result_and_what_a_failure_is(
    product: Product, flower: Flower, tmp_path: Path
) -> None:
    failure = "not-declared: Unable to ensure CT 555: it is not in the catalog."
    redis = {"redis://127.0.0.1:6379/0": product.redis_url}
    assert documented("messages.md", "celery-node", **redis, **{"[103]": "[101]"}) == (["created"], [])
    told, (complaint,) = documented("messages.md", "celery-node", **redis, **{"[103]": "[555]"})
    assert (told, complaint.startswith(failure)) == ([], True)
    assert complaint.endswith("Declare 555 in the catalog.")

    failed = product.producer.ensure(555)
    assert failure_of(failed).cause == "not-declared"
    login = {"USER:PASSWORD": f"{USER}:{PASSWORD}", "http://127.0.0.1:5555": flower.url, "TASK_ID": failed.id}
    assert documented("messages.md", "api/task/result", **login) == ([], [complaint])
    with serving(product.redis_url, tmp_path) as server:
        door = server.as_a(Role.VIEWER)
        values = {"http://127.0.0.1:8420/v1": f"{door.url}/v1", "TOKEN": str(door.token), "ID": failed.id}
        assert documented("http.md", "requests/ID", **values) == ([], [complaint])
