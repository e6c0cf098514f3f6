"""`kill -9` of the worker at each named point of the protocol: the job ends as if nothing had happened.

The points are those that the engine names, so a new one is covered without a new test. The work is a request whose
first link is replaced twice on the way, so that every part of the protocol happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_worker.durable.crash_points import POINTS
from tests.support.asking import Asking, asking
from tests.support.crash import ARMED
from tests.support.redis import LASTING_KEYS
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from tests.support.worker import StartWorker

APP = "tests.support.durable_app"
EXPECTED = ["build Txx", "clone Tx", "build Tx", "clone T", "build T", "clone a", "2 a", "last a"]
DEEP = ("a", 2, "T")


@pytest.fixture
def owned(owned_keys: list[str]) -> None:
    owned_keys += [*LASTING_KEYS, "points", "effects", "looked", "built", "remote:a", ARMED]


@pytest.fixture
def client(redis_url: str) -> Iterator[Asking]:
    with asking(redis_url) as client:
        yield client


@pytest.mark.crash
@pytest.mark.usefixtures("owned")
@pytest.mark.parametrize("point", POINTS)
def test_killed_there_the_job_ends_all_the_same(
    point: str,
    redis_url: str,
    redis_client: Redis,
    start_worker: StartWorker,
    client: Asking,
) -> None:
    environ = {"DURABLE_REDIS": redis_url, "DURABLE_TTL": "1", "KILL_AT": f"{point}"}
    doomed = start_worker(APP, environ, name="w1")
    redis_client.set("remote:a", '"ended"')
    redis_client.set(ARMED, 1)
    result = client.ask("t.request", *DEEP)
    wait_for(lambda: not doomed.running() or result.ready(), timeout=60)
    assert not doomed.running(), f"the point {point} was not reached"
    if point == "successor-recorded":
        links = [redis_client.hgetall(key) for key in redis_client.scan_iter("phoenix:t:*")]
        ended = [link["name"] for link in links if link["state"] == "done"]
        assert ended == ["t.build"], "a link ends as it lands: apart, Redis may lose the one and not the other"
    start_worker(APP, {**environ, "KILL_AT": "counted"}, name="w2")
    assert result.get(timeout=60) == "a done"
    assert redis_client.lrange("effects", 0, -1) == EXPECTED, "each effect once, in order"
    wait_for(lambda: redis_client.hget(f"phoenix:job:{result.id}", "state") == "done")
