"""What docs/messages.md shows is what happens."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from phoenix_producer import EnsureResult
from phoenix_worker.commands.demo.child import ChildProcess
from phoenix_worker.commands.demo.embedded import free_port
from phoenix_worker.telemetry.webhooks import signed
from tests.integration.test_webhooks import SECRET, group, happen, posting
from tests.support.waiting import wait_for
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import redis

    from phoenix_producer import Producer

REFUSED = 404


def result_of(client: redis.Redis, key: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(str(wait_for(lambda: client.get(key))))
    return answer


def documented(language: str, containing: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs/messages.md").read_text(), re.DOTALL)
    (block,) = [block for block in blocks if containing in block]
    return str(block)


def test_the_documented_message_is_answered_as_documented(answering_client: redis.Redis) -> None:
    message = json.loads(documented("json", '"content-type"'))
    body = json.loads(documented("json", '"callbacks"'))
    assert json.loads(base64.b64decode(message["body"])) == body
    answering_client.lpush("phoenix.ensure", json.dumps(message))
    stored = result_of(answering_client, f"celery-task-meta-{message['headers']['id']}")
    shown = json.loads(documented("json", '"SUCCESS"'))
    assert stored.keys() >= shown.keys()
    assert stored["status"] == "SUCCESS"
    assert EnsureResult.model_validate(stored["result"]).ctid == EnsureResult.model_validate(shown["result"]).ctid


def test_the_documented_failure_is_what_is_stored(answered: Producer, answering_client: redis.Redis) -> None:
    handle = answered.ensure(REFUSED)
    stored = result_of(answering_client, f"celery-task-meta-{handle.id}")
    shown = json.loads(documented("json", '"FAILURE"'))
    assert stored["status"] == shown["status"]
    assert stored["result"].keys() == shown["result"].keys()
    assert stored["result"]["exc_type"] == shown["result"]["exc_type"]
    assert stored["result"]["exc_message"][0].keys() >= shown["result"]["exc_message"][0].keys()


def test_the_documented_python_runs(answering_url: str, tmp_path: Path) -> None:
    for name in ("send_task", "ensure_many", "RecordingProducer()"):
        script = documented("python", name).replace("redis://127.0.0.1:6379/0", answering_url)
        environ = {**os.environ, "PHOENIX_REDIS_URL": answering_url}
        subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env=environ, timeout=180)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_documented_receiver_takes_what_is_signed_just_now_and_nothing_else(
    redis_client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "log"
    script = documented("python", "HTTPServer").replace("8080", str(port))
    url = f"http://127.0.0.1:{port}/hook"
    environ = {**os.environ, "WEBHOOK_SECRET": SECRET, "PYTHONUNBUFFERED": "1"}
    with ChildProcess([sys.executable, "-c", script], log=log, environ=environ), posting(url, redis_url):
        wait_for(lambda: listens(port))
        wait_for(lambda: group(redis_client))
        event = happen(redis_client, outcome="created")
        wait_for(lambda: f"{event} phoenix.job.done 103\n" in log.read_text())
        now, body = int(time.time()), b'{"type": "forged", "data": {}}'
        for headers in ({}, signed(SECRET[:-4], "1-0", now, body), signed(SECRET, "1-0", now - 3600, body)):
            with pytest.raises(HTTPError) as refused:
                urlopen(Request(url, body, headers), timeout=60)
            assert refused.value.code == 401
            refused.value.close()
        urlopen(Request(url, body, signed(SECRET, "1-0", now, body)), timeout=60).close()
    assert log.read_text().count("forged") == 1
