"""A chord of durable tasks, its last worker killed while it publishes the body: the body runs, and once.

`phoenix_worker/durable/chord.py` says what is guaranteed, and why members are run again later than other tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from celery.canvas import chord

from phoenix_producer.client.record import Recorder, recording
from phoenix_producer.contract import QUEUE
from phoenix_worker.durable.celery_settings import CELERY_SETTINGS
from phoenix_worker.durable.chord import chord_lease
from phoenix_worker.durable.crash_points import CHORD_POINTS
from tests.support.asking import Asking, asking
from tests.support.crash import ARMED, KILL_AT
from tests.support.redis import LASTING_KEYS, leaked_keys
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery.result import AsyncResult

    from tests.support.worker import StartWorker

APP = "tests.support.durable_app"
MEMBERS = 3

pytestmark = pytest.mark.crash


@pytest.fixture
def client(redis_url: str, owned_keys: list[str]) -> Iterator[Asking]:
    owned_keys += [*LASTING_KEYS, "points", "effects", ARMED]
    with asking(redis_url) as client:
        yield client


def ask_for_a_chord(client: Asking) -> AsyncResult[int]:
    members = [client.app.signature("t.member", args=(number,), queue=QUEUE) for number in range(MEMBERS)]
    with recording(Recorder(client.redis)):
        return chord(members)(client.app.signature("t.body", queue=QUEUE))


@pytest.mark.parametrize(
    "point", [CHORD_POINTS[0], *(pytest.param(one, marks=pytest.mark.long) for one in CHORD_POINTS[1:])]
)
def test_killed_there_the_body_runs_once(
    point: str, client: Asking, redis_url: str, owned_keys: list[str], start_worker: StartWorker
) -> None:
    environ = {"DURABLE_REDIS": redis_url, "DURABLE_TTL": "1", KILL_AT: point}
    doomed = start_worker(APP, environ, name="w1")
    client.redis.set(ARMED, 1)
    result = ask_for_a_chord(client)
    wait_for(lambda: not doomed.running())
    start_worker(APP, {**environ, KILL_AT: ""}, name="w2")
    assert result.get(timeout=60) == sum(range(MEMBERS))
    wait_for(lambda: not client.redis.exists("phoenix:due"))
    wait_for(lambda: not leaked_keys(client.redis, owned_keys))
    done = client.redis.lrange("effects", 0, -1)
    assert sorted(done[:-1]) == [f"member {number}" for number in range(MEMBERS)]
    assert done[-1] == "body"


def test_the_lease_is_what_celery_computes() -> None:
    for settings in ({}, CELERY_SETTINGS):
        with Celery("leases", backend="redis://", set_as_current=False) as app:
            app.conf.update(settings)
            claim = max(5, int(app.conf.result_chord_join_timeout * 2))
            backend: Any = app.backend
            theirs = backend._chord_publish_claim_expires(claim, app.signature("t.body"))
            assert chord_lease(app.conf) == theirs
