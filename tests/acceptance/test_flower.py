"""What Flower shows of a job, and that it can ask for one. The pages themselves: tests/browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from phoenix_producer import EnsureFailed
from tests.support.flower import Flower
from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.product import Product


@pytest.fixture
def flower(product: Product, tmp_path: Path) -> Iterator[Flower]:
    product.declare({900: template(), **{ctid: container(ctid) for ctid in range(101, 107)}})
    product.start_worker()
    with Flower(tmp_path, product.redis_url) as running:
        yield running


def test_flower_tells_the_story_of_each_job(product: Product, flower: Flower) -> None:
    asked = flower.post("task/async-apply/phoenix.ensure", args=[101])["task-id"]
    assert product.redis.hget(f"phoenix:job:{asked}", "requester") == "Flower", "it is in the ledger before its message"
    ended = wait_for(lambda: (row := flower.row("phoenix.ensure", 101)) and row["state"] == "SUCCESS" and row)
    assert isinstance(ended, dict)
    assert ended["uuid"] == asked
    assert ended["result"].startswith("{'outcome': 'created'")
    assert ended["args"] == "101 ct101"
    created, over = (float(str(at)) for at in product.redis.hmget(f"phoenix:job:{asked}", "created", "ended"))
    assert ended["runtime"] == pytest.approx(over - created, abs=0.01), "from the request to its end"
    assert ended["received"] == pytest.approx(created, abs=1)
    assert ended["kwargs"] == "{'requester': 'Flower'}"
    assert product.status(101) == "running"
    steps = [row["name"].removeprefix("phoenix.") for row in flower.rows(asked)]
    assert steps.count("ensure") == 1
    assert sorted(steps) == ["clone", "configure", "create", "ensure", "seal", "start"], "all of a job by its id"
    assert {row["state"] for row in flower.rows(f"kwargs:job={asked}")} == {"SUCCESS"}
    cloned = flower.row("phoenix.clone", 101)
    steps_told = flower.get(f"task/result/{asked}")["result"]["steps"]
    seconds = next(step["seconds"] for step in steps_told if step["name"] == "clone")
    assert (cloned["args"], cloned["runtime"]) == ("101 ct101", seconds)
    assert "Inspect method" not in flower.log()

    product.simulator.pve.ct_secs["clone"] = 600
    first = product.producer.ensure(102)
    wait_for(lambda: flower.row("phoenix.clone", 102).get("state") == "WAITING-FOR-PROXMOX")
    second = product.producer.ensure(103)
    wait_for(lambda: flower.row("phoenix.clone", 103).get("state") == "WAITING-FOR-LOCK")
    assert flower.row("phoenix.clone", 103)["result"] == "waits for lock ct/900"
    assert flower.row("phoenix.clone", 102)["result"].startswith("waits for Proxmox: clone template 900 to CT 102")
    assert flower.row("phoenix.ensure", 103)["state"] == "RUNNING-ITS-STEPS"
    product.simulator.pve.ct_secs["clone"] = 0.1
    product.simulator.pve.task_failures["vzclone"].append("no space left on device")
    first.cancel()
    wait_for(lambda: flower.row("phoenix.ensure", 102).get("state") == "FAILURE")
    assert flower.row("phoenix.ensure", 102)["exception"].startswith("cancelled: ")
    for name in ("phoenix.clone", "phoenix.ensure"):
        wait_for(lambda name=name: flower.row(name, 103).get("state") == "FAILURE")  # type: ignore[misc]
        failed = flower.row(name, 103)
        assert failed["exception"].startswith("proxmox-error: Unable to clone template 900 to CT 103 on pve1: no space")
    assert second.done()
    assert {row["name"] for row in flower.rows(second.id)} == {"phoenix.ensure", "phoenix.clone"}
    job = product.redis.hmget(f"phoenix:job:{second.id}", "created", "ended")
    took = float(str(job[1])) - float(str(job[0]))
    assert flower.row("phoenix.ensure", 103)["runtime"] == pytest.approx(took, abs=0.01)
    assert "requester" in flower.row("phoenix.ensure", 103)["kwargs"]
    wait_for(lambda: {row["state"] for row in flower.rows()} == {"SUCCESS", "FAILURE"})  # no state of ours sticks
    assert not any((row["result"] or "").startswith("waits for") for row in flower.rows())


def test_what_flower_sends_of_itself_is_served_too_and_nobody_unknown_is(product: Product, flower: Flower) -> None:
    asked = flower.post("task/send-task/phoenix.ensure", args=[104])["task-id"]
    wait_for(lambda: flower.get(f"task/result/{asked}")["state"] == "SUCCESS")
    assert product.status(104) == "running"
    assert "flower_events_total" in flower.session.get(f"{flower.url}/metrics", timeout=60).text
    for path in ("/", "/tasks", "/api/tasks", "/metrics", f"/task/{asked}"):
        assert requests.get(flower.url + path, timeout=60).status_code == 401, path
    apply = f"{flower.url}/api/task/async-apply"
    assert requests.post(f"{apply}/phoenix.ensure", json={"args": [105]}, timeout=60).status_code == 401
    assert product.status(105) == "absent"
    failing = flower.post("task/async-apply/phoenix.ensure", args=[555])["task-id"]
    wait_for(lambda: flower.get(f"task/result/{failing}")["state"] == "FAILURE")
    failed = flower.get(f"task/result/{failing}")
    assert failed["result"]["cause"] == "not-declared"
    assert failed["result"]["remedy"] == "Declare 555 in the catalog."
    wait_for(lambda: "w1@test" in flower.get("workers?refresh=1"))
    for command, more, why in (
        ("task/rate-limit/phoenix.ensure", {"ratelimit": "1/h"}, "would stop this worker from taking any task"),
        ("task/timeout/phoenix.ensure", {"hard": "1"}, "has no time limit"),
        ("worker/queue/add-consumer/w1@test", {"queue": "celery"}, "workers consume only"),
        ("worker/pool/shrink/w1@test", {"n": "50"}, "must stay"),
        ("worker/queue/cancel-consumer/w1@test", {"queue": "phoenix.resume"}, "jobs in progress need phoenix.resume"),
    ):
        said = flower.session.post(f"{flower.url}/api/{command}", params={"workername": "w1@test", **more}, timeout=60)
        assert (said.status_code, why in said.text) == (403, True), said.text
    for command in ("cancel-consumer", "add-consumer"):
        path = f"{flower.url}/api/worker/queue/{command}/w1@test"
        assert flower.session.post(path, params={"queue": "phoenix.upkeep"}, timeout=60).status_code == 200
    refused = flower.session.post(f"{apply}/phoenix.clone", json={"args": [105]}, timeout=60)
    assert refused.status_code == 404, "only what is a request may be asked for"


def test_flower_begins_with_the_jobs_of_before_and_misses_no_workers(product: Product, tmp_path: Path) -> None:
    product.declare({900: template(), 101: container(101)})
    worker = product.start_worker()
    product.ensure(101)
    with pytest.raises(EnsureFailed):
        product.ensure(555)
    worker.term()
    worker.wait()
    with Flower(tmp_path, product.redis_url, hears=False) as flower:
        wait_for(lambda: len(flower.rows()) == 2)
        made, failed = flower.rows()
        assert (made["name"], made["args"], made["state"]) == ("phoenix.ensure", "101", "SUCCESS")
        assert made["result"] == "created"
        assert (failed["args"], failed["state"], failed["exception"]) == ("555", "FAILURE", "not-declared")
        assert made["runtime"] > 0
        wait_for(lambda: flower.session.get(f"{flower.url}/task/{made['uuid']}", timeout=60).status_code == 200)
        assert flower.rows("requester"), "who asked is searched as of later ones"
        assert flower.get("workers?refresh=1") == {}, "it has asked for workers, and there are none"
        assert "Inspect method" not in flower.log()
