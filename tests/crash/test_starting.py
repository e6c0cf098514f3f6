"""What a worker refuses to start with: exit code 2, each reason named, no traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.crash.outages import operator
from tests.support.worker import WorkerProcess

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix_worker.commands.embedded import RedisServer


def test_a_redis_that_evicts_and_forgets_is_refused(redis_server: RedisServer, tmp_path: Path) -> None:
    with operator(redis_server) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("appendonly", "no")
    worker = WorkerProcess("tests.support.durable_app", directory=tmp_path, environ={"DURABLE_REDIS": redis_server.url})
    try:
        assert worker.wait(timeout=60) == 2
    finally:
        worker.kill()
    assert "maxmemory-policy is allkeys-lru" in worker.log()
    assert "appendonly is no" in worker.log()
    assert "Traceback" not in worker.log()
