"""What `phoenix-lxc check` finds of a Redis is what a worker or a request fails of: the same server for both."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

import pytest
import redis

from phoenix_producer import Producer, Unreachable
from phoenix_worker.check.redis_facts import redis_facts
from phoenix_worker.commands.demo.embedded import RedisServer, find_server
from phoenix_worker.core.checkup.line import Level
from phoenix_worker.core.checkup.redis import judge
from phoenix_worker.durable.redis_check import objections
from tests.crash.outages import operator, out_of_memory, read_only
from tests.crash.test_starting import ClusterNode
from tests.integration.test_check_redis import user
from tests.integration.test_set_aside import tick
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.long
SMALL = 1 << 16
"""Bytes to which a full disk lets a file grow."""


def told(url: str) -> dict[str, str]:
    """What is not in order, by what it is about."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return {line.about: line.text for line in judge(redis_facts(client, url)) if line.level is not Level.OK}


def sending(url: str) -> str:
    """How a request is refused."""
    with Producer(url) as producer, pytest.raises(Unreachable) as refused:
        producer.ensure(103)
    return str(refused.value)


class OnAFullDisk(RedisServer):
    """One whose files soon grow no more."""

    def _command(self, port: int) -> list[str]:
        # Otherwise the kernel ends whoever writes beyond the limit.
        return ["sh", "-c", 'trap "" XFSZ; exec "$@"', "sh", *super()._command(port)]

    def fill(self) -> None:
        _, most = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (SMALL, most))


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    one = request.param(find_server(), tmp_path / "redis")
    one.start()
    yield one
    one.kill()


def test_a_replica_takes_no_requests(redis_server: RedisServer) -> None:
    with read_only(redis_server):
        assert told(redis_server.url) == {"Redis role": "it is a replica: it takes no writes"}
        assert "replicas take no writes" in sending(redis_server.url)


def test_a_server_that_is_nearly_full_is_full_soon_and_takes_no_requests(redis_server: RedisServer) -> None:
    with operator(redis_server) as client:
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.1))
    assert "a full one accepts no requests" in told(redis_server.url)["Redis memory"]
    with out_of_memory(redis_server):
        assert "Give Redis more memory" in sending(redis_server.url)


@pytest.mark.parametrize("server", [ClusterNode], indirect=True)
def test_a_node_of_a_cluster_is_found_and_no_worker_starts_on_it(server: ClusterNode) -> None:
    assert "Redis Cluster" in told(server.url)["Redis role"]
    with operator(server) as client:
        (problem,) = objections(client, lambda: None)
    assert problem.startswith("It is a node of a Redis Cluster.")


@pytest.mark.parametrize("server", [OnAFullDisk], indirect=True)
def test_a_server_whose_disk_is_full_takes_no_requests(server: OnAFullDisk) -> None:
    server.fill()
    with operator(server) as client:
        client.set("x", "x" * 2 * SMALL)
        wait_for(lambda: client.info("persistence")["aof_last_write_status"] == "err")
    assert told(server.url)["Redis persistence"].startswith("it could not write its append-only file")
    assert "MISCONF Errors writing to the AOF file" in sending(server.url)


def test_a_job_that_is_set_aside_is_found_and_never_ends(redis_server: RedisServer) -> None:
    with operator(redis_server) as client, Producer(redis_server.url) as producer:
        job = producer.ensure(103)
        client.hset(f"phoenix:t:{job.id}", "queue", "phoenix:jobs")
        assert [tick(client, later) for later in (5.0, 600.0)] == [[], []], "nobody is ever sent it again"
        assert told(redis_server.url)["Ledger"].startswith("1 tasks are set aside")
        assert not job.done()


def test_one_who_may_not_read_the_settings_finds_nothing_wrong_with_them(redis_server: RedisServer) -> None:
    """Neither the check nor a worker at its start."""
    with operator(redis_server) as client:
        user(client, "-config")
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert "evict" in " ".join(objections(client, lambda: None))
    url = redis_server.url.replace("redis://", "redis://weak:secret@")
    assert list(told(url)) == ["Redis settings", "Redis default user"]
    with redis.Redis.from_url(url, decode_responses=True) as weak:
        assert objections(weak, lambda: None) == []
