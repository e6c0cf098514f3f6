"""What a worker's log tells of a job, to people and to programs, and what it never tells."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import redis

from phoenix_producer import Producer
from tests.acceptance.scenes import failure_of
from tests.support.proxmox import NODE, SECRET
from tests.support.waiting import wait_for
from tests.support.worker import QUICK_START

if TYPE_CHECKING:
    from phoenix_worker.commands.demo.embedded import RedisServer
    from tests.support.product import Product
    from tests.support.worker import StartWorker, WorkerProcess

PASSWORD = "redis-pass/word"


def lines(worker: WorkerProcess) -> list[dict[str, Any]]:
    """The log of a worker that writes JSON; only Celery's banner is none, nor is a line that is just being written."""
    whole = worker.log().rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]


def test_each_act_is_a_line_of_json_and_no_secret_is_in_any(
    product: Product, redis_server: RedisServer, start_worker: StartWorker
) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("requirepass", PASSWORD)
    url = redis_server.url.replace("redis://", f"redis://:{PASSWORD.replace('/', '%2F')}@")
    environ = product.environ(PHOENIX_REDIS_URL=url, PHOENIX_LOG_FORMAT="json")
    worker = start_worker("phoenix_worker", environ, flags=(*QUICK_START, "--loglevel", "DEBUG"))
    with Producer(url) as producer:
        job = producer.ensure(103)
        result = job.wait(timeout=60)
        product.simulator.pve.task_failures["vzclone"].append("no space left on device")
        failed = failure_of(broken := producer.ensure(101))
        wait_for(lambda: any(line.get("cause") == failed.cause for line in lines(worker)))

    told = [line for line in lines(worker) if line.get("job") == job.id and not line["event"].startswith("Task ")]
    upids = {step.name: step.upid for step in result.steps if step.ctid == 103}
    done = {(line["step"], line["ctid"]): line for line in told if line["event"] == "done"}
    clone = done["clone", "103"]
    assert (clone["node"], clone["upid"]) == (NODE, upids["clone"])
    assert clone["seconds"] > 0
    events = [line["event"] for line in told if line["step"] == "start" and line["level"] != "debug"]
    assert events[:3] == ["begins", "Proxmox task under way", f"waits for Proxmox: start CT 103 on {NODE}"]
    assert events[-2:] == ["runs again", "done"]
    assert [line["upid"] for line in told if line.get("step") == "start" and "upid" in line] == [upids["start"]] * 3
    last = told[-1]
    assert (last["event"], last["outcome"], last["ctid"]) == ("job done", "created", "103")
    assert last["took"] > 0
    calls = [line for line in told if line["event"] == "called Proxmox"]
    assert {(call["method"], call["status"]) for call in calls} >= {("POST", "200"), ("GET", "500")}
    gone = next(line for line in lines(worker) if line.get("job") == broken.id and "cause" in line)
    assert gone["event"] == f"job failed: {failed.message.replace(chr(10), ' | ')}"
    assert (gone["level"], gone["step"], gone["remedy"]) == ("warning", "clone", failed.remedy)
    assert SECRET not in worker.log()
    assert not re.search("redis-pass(/|%2F)word", worker.log())


def test_a_line_for_people(product: Product) -> None:
    worker = product.start_worker()
    job = product.producer.ensure(103)
    job.wait(timeout=60)
    line = rf"^\S+Z \[info +\] job done job={job.id} ctid=103 step=verify node={NODE} outcome=created took=[\d.]+$"
    wait_for(lambda: re.search(line, worker.log(), re.MULTILINE))
    assert "] received" not in worker.log()
    assert "succeeded in" not in worker.log()
