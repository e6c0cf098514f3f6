"""The five words in real workers on a real Redis, without Proxmox."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from celery.canvas import Signature

from phoenix_producer.contract import QUEUE
from phoenix_worker.durable.celery_settings import CELERY_SETTINGS
from tests.support.asking import Asking, asking_until_clean
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from tests.support.worker import StartWorker, WorkerProcess

APP = "tests.support.durable_app"
EFFECTS = ["begun:*", "ended:*", "remote:*", "naps", "tried", "deaths", "effects", "looked", "built"]


@pytest.fixture
def client(redis_url: str, owned_keys: list[str]) -> Iterator[Asking]:
    with asking_until_clean(redis_url, owned_keys, *EFFECTS) as client:
        yield client


@pytest.fixture
def environ(redis_url: str) -> dict[str, str]:
    return {"DURABLE_REDIS": redis_url, "DURABLE_TTL": "1"}


@pytest.fixture
def worker(start_worker: StartWorker, environ: dict[str, str]) -> WorkerProcess:
    return start_worker(APP, environ, concurrency=2)


def record_of(redis: Redis, task_id: str) -> dict[str, str]:
    return {str(key): str(value) for key, value in redis.hgetall(f"phoenix:t:{task_id}").items()}


@pytest.mark.usefixtures("worker")
def test_a_lock_passes_on_in_the_order_of_the_requests_and_waiters_hold_no_slot(client: Asking) -> None:
    results = [client.ask("t.locked", number, "lane", "job") for number in range(40)]
    wait_for(lambda: client.redis.zcard("phoenix:lock:lane") == 40)
    assert client.ask("t.nap", 0, 1).get(timeout=60) == 1, "forty waiters leave the two slots free"
    client.redis.set("remote:job", 1)
    assert [result.get(timeout=60) for result in results] == list(range(40))
    first, *others = map(int, client.redis.lrange("begun:lane", 0, -1))
    assert others == sorted(set(range(40)) - {first})


@pytest.mark.usefixtures("worker")
def test_threads_that_publish_at_once_find_what_they_do_it_by(client: Asking) -> None:
    """Made at the first publish, it had the limit of kombu for a moment, and a job could fail of it."""
    assert client.ask("t.room").get(timeout=60) == CELERY_SETTINGS["broker_pool_limit"]


@pytest.mark.usefixtures("worker")
def test_a_capacity_is_used_whole_and_never_exceeded(client: Asking) -> None:
    results = [client.ask("t.locked", number, "slots", f"job{number}", 3) for number in range(7)]
    wait_for(lambda: client.redis.zcount("phoenix:lock:slots", "(0", "+inf") == 4)
    assert client.redis.zcount("phoenix:lock:slots", 0, 0) == 3
    client.redis.mset({f"remote:job{number}": 1 for number in range(7)})
    assert [result.get(timeout=60) for result in results] == list(range(7))


@pytest.mark.usefixtures("worker")
def test_sleepers_hold_no_slot(client: Asking) -> None:
    sleepers = [client.ask("t.nap", 0.5, 2) for _ in range(20)]
    assert client.ask("t.busy", 0).get(timeout=60) == 0
    assert sorted(result.get(timeout=60) for result in sleepers) == list(range(1, 21))


@pytest.mark.usefixtures("worker")
def test_what_is_passing_is_tried_again_and_a_failure_frees_its_lock(client: Asking) -> None:
    assert client.ask("t.busy", 2).get(timeout=60) == 2
    assert client.redis.get("tried") == "3"
    with pytest.raises(ValueError, match="no"):
        client.ask("t.fails", "lane").get(timeout=60)
    assert client.ask("t.locked", 1, "lane").get(timeout=60) == 1


@pytest.mark.usefixtures("worker")
def test_trouble_after_a_step_that_was_done_is_not_the_trouble_before_it(client: Asking) -> None:
    """A job that had been in trouble for long failed of the next one, whatever it had done between the two."""
    for what in ("a step", "a choice", "a read that is told", "a new step beside an earlier one"):
        client.redis.delete("tried", "ended:forward")
        assert client.ask("t.long_in_trouble", what).get(timeout=60) == [True, True], what


@pytest.mark.usefixtures("worker")
def test_trouble_after_nothing_that_is_new_is_still_the_same_trouble(client: Asking) -> None:
    """A job that made the same choice in each run was tried again for ever."""
    for what in (
        "nothing",
        "a lock",
        "an earlier step",
        "an earlier choice",
        "an earlier step that is forgotten",
        "an earlier step that is done again",
        "an earlier read that is told again",
        "a read that is not told",
    ):
        client.redis.delete("tried", "ended:forward")
        with pytest.raises(Exception, match="not yet"):
            client.ask("t.long_in_trouble", what).get(timeout=60)
        assert client.redis.lrange("ended:forward", 0, -1) == ["0", "0"], what


@pytest.mark.usefixtures("worker")
def test_those_who_wait_for_what_is_being_built_hear_why_it_will_not_come(client: Asking) -> None:
    """And only those: who waits for a lock of a job that merely failed takes it over."""
    builder = client.ask("t.builds", "lane")
    wait_for(lambda: client.redis.zcard("phoenix:lock:lane") == 1)
    waiters = [client.ask("t.locked", number, "lane") for number in range(3)]
    wait_for(lambda: client.redis.zcard("phoenix:lock:lane") == 4)
    client.redis.set("remote:build", 0)
    for result in (builder, *waiters):
        with pytest.raises(Exception, match="the build failed"):
            result.get(timeout=60)
    assert client.ask("t.locked", 9, "lane").get(timeout=60) == 9, "a later request tries again"


@pytest.mark.usefixtures("worker")
def test_a_request_is_done_once_however_often_it_is_sent(client: Asking) -> None:
    task_id = str(uuid4())
    sends = [client.plainly, client.ask, client.plainly, client.ask]
    results = [send("t.locked", 5, "lane", task_id=task_id) for send in sends]
    assert {result.get(timeout=60) for result in results} == {5}
    client.plainly("t.locked", 5, "lane", task_id=task_id)
    client.ask("t.nap", 0, 1).get(timeout=60)
    wait_for(lambda: client.redis.llen("phoenix.ensure") == 0)
    assert client.redis.lrange("begun:lane", 0, -1) == ["5"]


def test_a_lost_message_is_sent_again(client: Asking, start_worker: StartWorker, environ: dict[str, str]) -> None:
    result = client.ask("t.locked", 5, "lane")
    client.redis.delete("phoenix.ensure")
    start_worker(APP, environ)
    assert result.get(timeout=60) == 5


def test_a_message_whose_record_was_wiped_is_dropped(client: Asking, worker: WorkerProcess) -> None:
    client.ask("t.locked", 5, "lane", "job")
    wait_for(lambda: client.redis.exists("phoenix:watch"))
    (key,) = client.redis.scan_iter("phoenix:t:*")
    record = record_of(client.redis, str(key).rpartition(":")[2])
    client.redis.flushall()
    headers = json.loads(record["headers"])
    with client.app.producer_pool.acquire(block=True) as producer:
        producer.publish(
            record["body"], routing_key="phoenix.ensure", headers=headers, content_type="application/json",
            content_encoding="utf-8", correlation_id=headers["id"],
        )  # fmt: skip
    wait_for(lambda: "not in the ledger any more" in worker.log() or f"{headers['id']}] ignored" in worker.log())
    assert not client.redis.exists("begun:lane")


def test_a_killed_workers_task_goes_on_elsewhere(
    client: Asking, worker: WorkerProcess, start_worker: StartWorker, environ: dict[str, str]
) -> None:
    results = [client.ask("t.locked", number, "lane", "job") for number in range(5)]
    wait_for(lambda: client.redis.zcard("phoenix:lock:lane") == 5)
    wait_for(lambda: client.redis.zcard("phoenix:watch") == 1)  # what its owner did is journalled
    worker.kill()
    client.redis.set("remote:job", 1)
    start_worker(APP, environ, name="w2")
    assert [result.get(timeout=60) for result in results] == list(range(5))
    assert len(client.redis.lrange("begun:lane", 0, -1)) == 5, "what was journalled is not done again"


def test_a_stopped_worker_that_wakes_up_changes_nothing(
    client: Asking, start_worker: StartWorker, environ: dict[str, str]
) -> None:
    """It is in the middle of a run when it is stopped; the task ends elsewhere; then it wakes up."""
    stopped = start_worker(APP, environ, name="w1")
    result = client.ask("t.lingers", "lane")
    wait_for(lambda: client.redis.exists("lingering"))
    with stopped.stopped():
        start_worker(APP, environ, name="w2")
        client.redis.set("linger", "no")
        assert result.get(timeout=60) == "second"
    wait_for(lambda: client.redis.get("woken") == "1")
    wait_for(lambda: record_of(client.redis, str(result.id))["state"] == "done")
    assert result.get(timeout=60) == "second"
    assert client.redis.lrange("begun:lane", 0, -1) == ["once"]
    client.redis.delete("lingering", "linger", "woken")


def test_a_poisonous_task_is_given_up(client: Asking, start_worker: StartWorker, environ: dict[str, str]) -> None:
    result = client.ask("t.deadly")
    for number in range(1, 6):
        with suppress(AssertionError):  # it may die before it is ready
            start_worker(APP, environ, name=f"w{number}")
        wait_for(partial(has_died, client, number))
    start_worker(APP, environ, name="w6")
    with pytest.raises(Exception, match="A worker died in each of 5 runs"):
        result.get(timeout=60)
    assert client.redis.get("deaths") == "5"


def callback_of(name: str, *args: Any) -> Signature:
    """What kombu has no encoder for: publishing it fails, each time."""
    options = {"serializer": "none"}
    return Signature.from_dict({"task": name, "args": args, "kwargs": {}, "options": options, "immutable": True})


def test_a_message_whose_callback_cannot_be_sent_is_given_up_and_its_lock_passes_on(
    client: Asking, worker: WorkerProcess
) -> None:
    """Its other callback, which each of its runs sends, is run once."""
    callbacks = [callback_of("t.locked", 3, "called"), callback_of("another.service")]
    result = client.app.send_task("t.locked", [1, "lane"], queue=QUEUE, link=callbacks)  # type: ignore[arg-type]  # the stubs lack lists
    wait_for(lambda: client.redis.exists("phoenix:lock:lane"))
    assert client.ask("t.locked", 2, "lane").get(timeout=60) == 2
    with pytest.raises(Exception, match=r"No encoder installed|came to no end that could be noted"):
        result.get(timeout=60)
    wait_for(lambda: not client.redis.exists("phoenix:due"))
    assert worker.running()
    assert client.redis.lrange("begun:lane", 0, -1) == ["1", "2"], "what was journalled is not done again"
    assert client.redis.lrange("begun:called", 0, -1) == ["3"]


@pytest.mark.usefixtures("worker")
def test_a_callback_of_ours_that_cannot_be_sent_is_in_the_ledger_and_runs_once(client: Asking) -> None:
    result = client.app.send_task("t.locked", [1, "lane"], queue=QUEUE, link=callback_of("t.locked", 2, "called"))
    assert result.get(timeout=60) == 1
    wait_for(lambda: client.redis.exists("begun:called") and not client.redis.exists("phoenix:due"))
    assert client.redis.lrange("begun:called", 0, -1) == ["2"]


def test_a_failure_whose_errback_cannot_be_sent_ends_all_the_same(client: Asking, worker: WorkerProcess) -> None:
    result = client.app.send_task("t.fails", ["lane"], queue=QUEUE, link_error=callback_of("another.service"))
    wait_for(lambda: client.redis.exists("phoenix:lock:lane"))
    assert client.ask("t.locked", 2, "lane").get(timeout=60) == 2
    with pytest.raises(Exception, match="no"):
        result.get(timeout=60)
    wait_for(lambda: not client.redis.exists("phoenix:due"))
    assert worker.running()


def test_intervals_of_one_lock_never_overlap_with_workers_dying(
    client: Asking, start_worker: StartWorker, environ: dict[str, str]
) -> None:
    results = [client.ask("t.interval", number, "lane") for number in range(30)]
    for number in range(4):
        victim = start_worker(APP, environ, name=f"w{number}")
        seen = client.redis.llen("intervals")
        wait_for(partial(longer_than, client, min(seen + 8, 60)))
        victim.kill()
    start_worker(APP, environ, name="last")
    for result in results:
        result.get(timeout=60)
    marks = [mark.split() for mark in client.redis.lrange("intervals", 0, -1)]
    for before, after in pairwise(marks):
        assert before[0] != after[0] or before[1] == after[1], "begin, end, begin, end: never two at once"
    client.redis.delete("intervals")


@pytest.mark.usefixtures("worker")
def test_requests_for_the_same_share_a_run_that_has_not_begun(client: Asking) -> None:
    """The first has the lock; the second leads a run for those behind it, which has not begun to look.

    They get its answer under their own ids without running again, but for the one that has a callback to send.
    """
    results = [client.ask("t.shared", "same") for _ in range(30)]
    wait_for(lambda: client.redis.zcard("phoenix:lock:same") == 2)
    callback = client.app.signature("t.locked", args=(5, "called"), immutable=True, queue=QUEUE)
    results.append(client.app.send_task("t.shared", ["same"], queue=QUEUE, link=callback))
    wait_for(lambda: sum(client.redis.scard(key) for key in client.redis.scan_iter("phoenix:job:*:followers")) == 29)
    client.redis.set("remote:same", 1)
    assert {result.get(timeout=60) for result in results} == {1, 2}
    assert all(result.successful() for result in results)
    assert client.redis.llen("begun:same") == 2
    wait_for(lambda: client.redis.lrange("begun:called", 0, -1) == ["5"])
    runs = [record_of(client.redis, str(result.id))["run"] for result in results]
    assert runs.count("1") == 28, "once each, to find whose run they share"
    history: Any = client.redis.xrange(f"phoenix:job:{results[29].id}:log")
    assert [fields["kind"] for _, fields in history] == ["requested", "step-started", "waiting", "done"]


def test_a_worker_that_is_asked_to_stop_leaves_its_parked_tasks_to_the_next(
    client: Asking, worker: WorkerProcess, start_worker: StartWorker, environ: dict[str, str]
) -> None:
    results = [client.ask("t.locked", number, f"lane{number}", "job") for number in range(100)]
    wait_for(lambda: client.redis.zcard("phoenix:watch") == 1)
    wait_for(lambda: client.redis.exists(*(f"begun:lane{number}" for number in range(100))) == 100)
    worker.term()
    assert worker.wait(timeout=60) == 0
    assert not [*client.redis.scan_iter("phoenix:runs:*")]
    client.redis.set("remote:job", 1)
    start_worker(APP, environ, name="w2")
    assert [result.get(timeout=60) for result in results] == list(range(100))


def has_died(client: Asking, times: int) -> bool:
    return client.redis.get("deaths") == str(times)


def longer_than(client: Asking, length: int) -> bool:
    return client.redis.llen("intervals") >= length
