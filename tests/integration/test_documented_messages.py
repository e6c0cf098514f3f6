"""What docs/messages.md shows is what happens."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from phoenix_producer import EnsureResult
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
        subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env=environ, timeout=60)
