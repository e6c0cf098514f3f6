"""Two versions side by side: an older worker leaves what a newer one recorded to newer workers, and nothing is lost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.asking import Asking, asking
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.worker import StartWorker

OLDER, NEWER = "tests.support.durable_app", "tests.crash.newer_app"
SCHEMA_OF_NEWER = 2
RAN = re.compile(r"Task t\.locked\[([-\w]+)\] succeeded")

pytestmark = pytest.mark.crash


@pytest.fixture
def client(redis_url: str) -> Iterator[Asking]:
    with asking(redis_url) as client:
        yield client


@pytest.mark.long
def test_what_a_newer_version_recorded_waits_for_a_newer_worker(
    client: Asking, redis_url: str, start_worker: StartWorker
) -> None:
    environ = {"DURABLE_REDIS": redis_url, "DURABLE_TTL": "1"}
    jobs = [client.ask("t.locked", number, "lane") for number in range(4)]
    newer = {str(job.id) for job in jobs[::2]}
    for task_id in newer:
        client.redis.hset(f"phoenix:t:{task_id}", "v", SCHEMA_OF_NEWER)
    old = start_worker(OLDER, environ, name="old")
    wait_for(lambda: all(f"{task_id}] ignored" in old.log() for task_id in newer))
    assert [job.get(timeout=60) for job in jobs[1::2]] == [1, 3]
    start_worker(NEWER, environ, name="new", forked=False)  # it changes what is imported
    assert [job.get(timeout=60) for job in jobs] == [0, 1, 2, 3]
    assert set(RAN.findall(old.log())) == {str(job.id) for job in jobs[1::2]}
    assert sorted(client.redis.lrange("begun:lane", 0, -1)) == ["0", "1", "2", "3"]
