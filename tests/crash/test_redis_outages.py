"""Redis goes away and comes back, with work under way: workers wait, say so once, and go on where they were.

Each outage lasts until the worker has said that it waits, and a moment more; two of them half a minute, at the end of
which each worker takes the other for dead. The ledger's calls are repeated every second at most,
Celery connects again when they are answered, and idle connections of before are not used any more: work goes on within
about two seconds.

Effects are kept on another Redis, so that they show what was done twice.
"""

from __future__ import annotations

import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.crash.outages import OUTAGES, Wire
from tests.support.asking import Asking, asking
from tests.support.waiting import wait_for
from tests.support.worker import QUICK_START

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from redis import Redis

    from phoenix_worker.commands.demo.embedded import RedisServer
    from tests.support.worker import StartWorker, WorkerProcess

APP = "tests.support.durable_app"
JOBS = 40
WAITS = "Redis does not answer"
GOES_ON = "Redis answers again"
DEEP = ["build Txx", "clone Tx", "build Tx", "clone T", "build T", "clone a", "2 a", "last a"]
ABOUT_TASKS = re.compile(r"Task t\.\w+\[")
FEW, MANY = 2, 25
LINGERS = 2.0
"""Seconds that an outage goes on after a worker has noticed it."""
HALF_A_MINUTE = 30.0
ALWAYS = {"killed", "standing still", "out of memory", "read-only", "password changed"}
"""The rest is for the long tier."""

pytestmark = pytest.mark.crash


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[Asking]:
    with asking(redis_server.url) as client:
        yield client


@pytest.fixture
def wire(redis_server: RedisServer) -> Iterator[Wire]:
    wire = Wire(redis_server.port)
    yield wire
    wire.close()


@pytest.fixture
def environ(redis_server: RedisServer, redis_url: str) -> dict[str, str]:
    return {"DURABLE_REDIS": redis_server.url, "DURABLE_EFFECTS": redis_url, "DURABLE_TTL": "1"}


def marks(effects: Redis) -> list[str]:
    return [str(mark) for mark in effects.lrange("intervals", 0, -1)]


def goes_on(worker: WorkerProcess) -> bool:
    return GOES_ON in worker.log()


def survives(
    client: Asking,
    effects: Redis,
    *workers: WorkerProcess,
    outage: AbstractContextManager[Any],
    few: int = FEW,
    lasts: float = 0.0,
) -> None:
    """Ask for jobs that own one lock in turn; trouble comes in their middle; all end, each effect is done once."""
    results = [client.ask("t.interval", number, "lane") for number in range(JOBS)]
    deep = client.ask("t.request", "a", 2, "T")
    effects.set("remote:a", '"ended"')
    wait_for(lambda: len(marks(effects)) > JOBS // 4)
    with outage:
        began = time.monotonic()
        wait_for(lambda: any(WAITS in worker.log() for worker in workers))
        time.sleep(max(LINGERS, lasts - (time.monotonic() - began)))
        assert all(worker.running() for worker in workers)
    for result in (*results, deep):
        # Celery's own waiting does not always survive an outage; nor is it ours.
        wait_for(partial(client.redis.exists, f"celery-task-meta-{result.id}"))
        result.get(timeout=60)
    done = marks(effects)
    assert sorted(done) == sorted(f"{mark} {number}" for number in range(JOBS) for mark in ("begin", "end"))
    owners = [mark.split()[1] for mark in done]
    assert owners[::2] == owners[1::2], "begin, end, begin, end: the lock has one owner at a time"
    assert sorted(effects.lrange("effects", 0, -1)) == sorted(DEEP)
    wait_for(lambda: not client.redis.exists("phoenix:due"))
    for worker in workers:
        if WAITS in worker.log():  # if it has noticed
            wait_for(partial(goes_on, worker))
        told = [line for line in worker.log().splitlines() if line.startswith("[20") and not ABOUT_TASKS.search(line)]
        assert sum(WAITS in line for line in told) <= few, "it is said once, or again when it comes in two waves"
        assert len(told) <= MANY + 2 * few, "\n".join(told)
        assert "Traceback" not in worker.log()
        assert worker.running()


@pytest.mark.parametrize(
    "name", [one if one in ALWAYS else pytest.param(one, marks=pytest.mark.long) for one in OUTAGES]
)
def test_work_goes_on_after(
    name: str,
    redis_server: RedisServer,
    redis_client: Redis,
    client: Asking,
    environ: dict[str, str],
    start_worker: StartWorker,
) -> None:
    worker = start_worker(APP, environ, concurrency=4)
    survives(client, redis_client, worker, outage=OUTAGES[name](redis_server))


@pytest.mark.long
def test_child_processes_wait_as_threads_do(
    redis_server: RedisServer,
    redis_client: Redis,
    client: Asking,
    environ: dict[str, str],
    start_worker: StartWorker,
) -> None:
    children = 2
    worker = start_worker(APP, environ, concurrency=children, flags=(*QUICK_START, "--pool", "processes"))
    # Each process has a patience of its own, which says so once.
    survives(client, redis_client, worker, outage=OUTAGES["killed"](redis_server), few=1 + children)


@pytest.mark.long
def test_work_goes_on_after_a_cut_that_nobody_was_told_of(
    redis_client: Redis,
    client: Asking,
    environ: dict[str, str],
    start_worker: StartWorker,
    wire: Wire,
) -> None:
    """What was open stays open and silent for ever: only timeouts tell, of each connection when it is used next."""
    worker = start_worker(APP, {**environ, "DURABLE_REDIS": wire.url}, concurrency=4)
    survives(client, redis_client, worker, outage=wire.cut())


@pytest.mark.long
def test_half_a_minute_behind_a_cut_wire(
    redis_client: Redis,
    client: Asking,
    environ: dict[str, str],
    start_worker: StartWorker,
    wire: Wire,
) -> None:
    environ["DURABLE_REDIS"] = wire.url
    workers = [start_worker(APP, environ, name=name, concurrency=2) for name in ("w1", "w2")]
    survives(client, redis_client, *workers, outage=wire.cut(), lasts=HALF_A_MINUTE)


@pytest.mark.long
def test_half_a_minute_of_a_redis_that_stands_still(
    redis_server: RedisServer,
    redis_client: Redis,
    client: Asking,
    environ: dict[str, str],
    start_worker: StartWorker,
) -> None:
    """With child processes, each of which waits and tells for itself."""
    flags = (*QUICK_START, "--pool", "processes")
    workers = [start_worker(APP, environ, name=name, concurrency=2, flags=flags) for name in ("w1", "w2")]
    outage = OUTAGES["standing still"](redis_server)
    survives(client, redis_client, *workers, outage=outage, few=3 * FEW, lasts=HALF_A_MINUTE)


def test_a_wipe_while_idle_leaves_nothing_to_repair(
    redis_client: Redis, client: Asking, environ: dict[str, str], start_worker: StartWorker
) -> None:
    start_worker(APP, environ)
    redis_client.set("remote:a", '"ended"')
    for _ in range(2):
        redis_client.delete("effects", "looked", "built")
        assert client.ask("t.request", "a", 2, "T").get(timeout=60) == "a done"
        assert redis_client.lrange("effects", 0, -1) == DEEP
        client.redis.flushall()


def test_a_worker_ends_in_order_while_redis_is_away(
    redis_server: RedisServer, environ: dict[str, str], start_worker: StartWorker
) -> None:
    worker = start_worker(APP, environ)
    redis_server.kill()
    wait_for(lambda: WAITS in worker.log())
    worker.term()
    assert worker.wait() == 0
