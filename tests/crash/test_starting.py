"""What a worker refuses to start with: exit code 2, each reason named, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
import redis

from phoenix_producer.contract import QUEUE
from phoenix_worker.commands.demo.embedded import RedisServer, find_server
from phoenix_worker.durable.redis_check import objections
from tests.crash.outages import operator
from tests.integration.test_cli_redis_troubles import _answer_as_http, listening
from tests.support.cli import COMMAND
from tests.support.waiting import wait_for
from tests.support.worker import WorkerProcess

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.product import Product


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


def test_options_that_the_protocol_does_not_allow_are_refused(product: Product, tmp_path: Path) -> None:
    """Each was taken: jobs hung, or were answered as failed while they went on."""
    product.redis.rpush(QUEUE, "a request")
    flags = ["--autoscale", "4,1", "--time-limit", "5", "-Q", "celery", "--purge", "--", "task.acks_late=1"]
    environ = product.environ(CELERY_BROKER_URL=product.redis_url)
    worker = WorkerProcess("phoenix_worker", directory=tmp_path, environ=environ, flags=flags, forked=True)
    try:
        assert worker.wait(timeout=60) == 2
    finally:
        worker.kill()
    first, *problems = worker.log().splitlines()
    assert first.startswith("This worker cannot start: CELERY_BROKER_URL is set")
    assert [line.partition(" ")[0].rstrip(",:") for line in problems] == [
        "--autoscale", "--time-limit", "--purge", "--queues", "task_acks_late",
    ]  # fmt: skip
    assert product.redis.delete(QUEUE), "nothing was purged"


@pytest.mark.long
@pytest.mark.parametrize("pool", ["gevent", "eventlet", "custom"])
def test_a_pool_that_is_not_installed_is_refused_in_one_line(pool: str) -> None:
    done = subprocess.run([COMMAND, "worker", "--pool", pool], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"--pool {pool}: workers run with `threads` (the default) or `processes`.\n"


def test_a_redis_that_refuses_the_password_is_a_wrong_setting(redis_server: RedisServer, tmp_path: Path) -> None:
    with operator(redis_server) as client:
        client.config_set("requirepass", "secret")
    worker = WorkerProcess("tests.support.durable_app", directory=tmp_path, environ={"DURABLE_REDIS": redis_server.url})
    try:
        assert worker.wait(timeout=60) == 2
    finally:
        worker.kill()
    assert "It refuses the password in PHOENIX_REDIS_URL, or wants one" in worker.log()
    assert "Traceback" not in worker.log()


def test_a_refused_password_is_blamed_on_the_setting_that_gave_it(redis_server: RedisServer) -> None:
    with operator(redis_server) as client:
        client.config_set("requirepass", "secret")
    with operator(redis_server) as client:
        (problem,) = objections(client, lambda: None, password_setting="PHOENIX_REDIS_PASSWORD")
    assert problem.startswith("It refuses the password in PHOENIX_REDIS_PASSWORD, or wants one (")


def test_a_database_that_is_not_there_is_told(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url.replace("/0", "/99"), decode_responses=True) as client:
        (problem,) = objections(client, lambda: None)
    assert problem.startswith("It has no database with that number. Correct it in PHOENIX_REDIS_URL")


def test_a_port_of_another_protocol_is_told() -> None:
    with listening(_answer_as_http) as port, redis.Redis(port=port, decode_responses=True) as client:
        (problem,) = objections(client, lambda: None)
    assert problem.startswith("It is not Redis that answers (")


class ClusterNode(RedisServer):
    """A node of a cluster of one."""

    def _command(self, port: int) -> list[str]:
        return [*super()._command(port), "--cluster-enabled", "yes"]


def test_a_node_of_a_cluster_is_refused(tmp_path: Path) -> None:
    server = ClusterNode(find_server(), tmp_path / "redis")
    server.start()
    try:
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            (problem,) = objections(client, lambda: None)
    finally:
        server.kill()
    assert problem == "It is a node of a Redis Cluster. Use a single server, or Sentinel."


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 0), (signal.SIGINT, 1)])
def test_a_worker_that_waits_for_redis_heeds_signals(
    number: int, exit_code: int, redis_server: RedisServer, tmp_path: Path
) -> None:
    redis_server.kill()
    worker = WorkerProcess("tests.support.durable_app", directory=tmp_path, environ={"DURABLE_REDIS": redis_server.url})
    try:
        wait_for(lambda: "Redis does not answer" in worker.log())
        assert worker.running()
        os.kill(worker.pid, number)
        assert worker.wait() == exit_code, "Celery's own codes"
    finally:
        worker.kill()
    assert "Traceback" not in worker.log()
