from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from celery import Celery

from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from tests.support.worker import StartWorker

TINY = "tests.support.tiny_app"


@pytest.fixture
def environ(redis_url: str) -> dict[str, str]:
    return {"TINY_REDIS": redis_url}


@pytest.fixture
def sender(redis_url: str) -> Iterator[Celery]:
    with Celery("sender", broker=redis_url, set_as_current=False) as app:
        yield app


def marked(client: redis.Redis, *keys: str) -> bool:
    return client.exists(*keys) == len(keys)


def test_a_worker_works_is_killed_and_another_works_on(
    start_worker: StartWorker, environ: dict[str, str], sender: Celery, redis_client: redis.Redis
) -> None:
    first = start_worker(TINY, environ)
    sender.send_task("tiny.mark", ["one"])
    wait_for(lambda: marked(redis_client, "one"))
    assert "tiny.mark" in first.log()

    first.kill()
    assert not first.running()
    sender.send_task("tiny.mark", ["two"])
    second = start_worker(TINY, environ)
    wait_for(lambda: marked(redis_client, "two"))

    with second.stopped():
        sender.send_task("tiny.mark", ["three"])
        assert not marked(redis_client, "three")
    wait_for(lambda: marked(redis_client, "three"))

    second.term()
    assert second.wait() == 0


def test_a_worker_that_cannot_start_says_why(start_worker: StartWorker) -> None:
    with pytest.raises(AssertionError, match="TINY_REDIS"):
        start_worker(TINY, {})


def test_logs_of_workers_are_shown_when_a_test_fails(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["tests.support.worker"]')
    pytester.makepyfile(f"def test_fails(start_worker): start_worker({TINY!r}, {{}})")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*log of worker w1*", "*KeyError: 'TINY_REDIS'*"])
