"""Prefork: a child process is killed while the worker lives. Its task is run again, and no failure is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.asking import Asking, asking
from tests.support.crash import ARMED, KILL_AT
from tests.support.waiting import wait_for
from tests.support.worker import QUICK_START

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.worker import StartWorker, WorkerProcess

APP = "tests.support.durable_app"
DEEP = ["build Txx", "clone Tx", "build Tx", "clone T", "build T", "clone a", "2 a", "last a"]

pytestmark = pytest.mark.crash


@pytest.fixture
def client(redis_url: str) -> Iterator[Asking]:
    with asking(redis_url) as client:
        yield client


LATER_POINTS = ("effect-done", "replace-recorded", "successor-published", "before-finish")


def prefork(start_worker: StartWorker, redis_url: str, **environ: str) -> WorkerProcess:
    environ |= {"DURABLE_REDIS": redis_url, "DURABLE_TTL": "1"}
    return start_worker(APP, environ, concurrency=2, flags=(*QUICK_START, "--pool", "processes"))


@pytest.mark.parametrize("point", ["claimed", *(pytest.param(point, marks=pytest.mark.long) for point in LATER_POINTS)])
def test_a_killed_childs_task_goes_on(point: str, client: Asking, redis_url: str, start_worker: StartWorker) -> None:
    worker = prefork(start_worker, redis_url, **{KILL_AT: f"{point}:3"})
    client.redis.mset({ARMED: 1, "remote:a": '"ended"'})
    assert client.ask("t.request", "a", 2, "T").get(timeout=60) == "a done"
    assert client.redis.lrange("effects", 0, -1) == DEEP, "the journal outlives the child"
    wait_for(lambda: "WorkerLostError" in worker.log())
    wait_for(lambda: not client.redis.exists("phoenix:due"))
    assert worker.running()


@pytest.mark.long
def test_a_task_that_kills_each_child_is_given_up(client: Asking, redis_url: str, start_worker: StartWorker) -> None:
    prefork(start_worker, redis_url)
    with pytest.raises(Exception, match="A worker died in each of 5 runs"):
        client.ask("t.deadly").get(timeout=60)
    assert client.redis.get("deaths") == "5"
