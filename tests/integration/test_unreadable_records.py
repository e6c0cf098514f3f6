"""What no message can be made of, and what is no text, is set aside or passed over; what is behind it is served."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from redis import Redis

from phoenix_producer.client import connection
from phoenix_producer.contract import QUEUE, RESUME_QUEUE
from phoenix_producer.http.tokens import Role, TokenFile
from phoenix_producer.ledger.entries import JobState
from phoenix_producer.plain_text import plain
from phoenix_worker.durable.ledger import EVENTS, Bell, Ledger
from phoenix_worker.durable.message_form import message
from phoenix_worker.durable.publishing import link_id
from phoenix_worker.telemetry.ledger_metrics import LedgerCollector
from tests.integration.test_set_aside import tick, view
from tests.integration.test_webhooks import group, happen, posting
from tests.support.asking import asking
from tests.support.http_inside import served_inside
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.asking import Asking
    from tests.support.driven_ledger import DrivenLedger
    from tests.support.worker import StartWorker

NO_TEXT = b"\xff\xfe"


@pytest.fixture
def client(redis_url: str, start_worker: StartWorker) -> Iterator[Asking]:
    start_worker("tests.support.durable_app", {"DURABLE_REDIS": redis_url, "DURABLE_TTL": "1"}, concurrency=2)
    with asking(redis_url) as client:
        yield client


@pytest.mark.parametrize(
    ("field", "value"),
    [("headers", "{"), ("headers", "[]"), ("headers", NO_TEXT), ("body", NO_TEXT), ("body", "{}"), ("reply", None)],
)
def test_a_message_that_cannot_be_sent_keeps_no_other_from_being_sent(field: str, value: Any, client: Asking) -> None:
    """Both wait for a lock, the poisoned one first: who gives it back wakes it, and ends all the same."""
    first = client.ask("t.locked", 1, "lane", "job1")
    wait_for(lambda: client.redis.zcard("phoenix:lock:lane") == 1)
    bad = client.ask("t.locked", 2, "lane", "job2")
    wait_for(lambda: client.redis.zcard("phoenix:lock:lane") == 2)
    good = client.ask("t.locked", 3, "lane", "job3")
    wait_for(lambda: client.redis.zcard("phoenix:lock:lane") == 3)
    if value is None:
        client.redis.hdel(f"phoenix:t:{bad.id}", field)
    else:
        client.redis.hset(f"phoenix:t:{bad.id}", field, value)
    client.redis.mset({"remote:job1": 1, "remote:job3": 3})
    assert first.get(timeout=60) == 1
    wait_for(lambda: client.redis.zrange("phoenix:aside", 0, -1) == [bad.id])
    Ledger(client.redis, lambda _: None).cancel(bad.id, {"cause": "cancelled"})
    assert good.get(timeout=60) == 3


def test_a_link_that_cannot_be_recorded_ends_its_job(client: Asking) -> None:
    """Celery logs what is raised when a message is recorded, and sends it: workers drop it, and nobody went on."""
    for position in (0, 1):
        request = str(uuid4())
        link = link_id(request, 0, position)
        client.redis.set(f"phoenix:t:{link}", "x")
        with pytest.raises(Exception, match="WRONGTYPE"):
            client.ask("t.request", "key", 0, "template", task_id=request).get(timeout=60)
        wait_for(partial(has_failed, client, request))
        Ledger(client.redis, lambda _: None).cancel(link, {"cause": "cancelled"})
    assert client.ask("t.locked", 1, "key/key").get(timeout=60) == 1, "its lock is free"


def has_failed(client: Asking, job: str) -> bool:
    return client.redis.hget(f"phoenix:job:{job}", "state") == "failed"


@pytest.mark.long
def test_what_cannot_end_is_set_aside(client: Asking) -> None:
    """It was run again for ever."""
    bad = client.ask("t.locked", 1, "lane", "job")
    wait_for(lambda: client.redis.zcard("phoenix:lock:lane") == 1)
    wait_for(lambda: client.redis.hget(f"phoenix:t:{bad.id}", "state") == "parked")
    client.redis.set("phoenix:job:spoiled", "x", ex=600)
    client.redis.hset(f"phoenix:t:{bad.id}", mapping={"follows": "spoiled", "idle": 4})
    client.redis.set("remote:job", 1)
    wait_for(lambda: client.redis.zrange("phoenix:aside", 0, -1) == [bad.id])
    assert not list(client.redis.scan_iter("phoenix:runs:*"))
    client.redis.hdel(f"phoenix:t:{bad.id}", "follows")
    assert Ledger(client.redis, lambda _: None).cancel(bad.id, {"cause": "cancelled"}) == ("aside", bad.id)
    assert client.ask("t.locked", 2, "lane").get(timeout=60) == 2


def test_a_waiter_that_is_no_record_lets_its_lock_pass_on(driven: DrivenLedger, redis_client: Redis) -> None:
    owner, bad, good = (driven.taken(ctid) for ctid in (101, 102, 103))
    for run in (owner, bad, good):
        driven.hold(run, "lane")
    redis_client.delete(f"phoenix:t:{bad.id}")
    redis_client.set(f"phoenix:t:{bad.id}", "x")
    bells: list[Bell] = []
    assert Ledger(redis_client, bells.extend).finish(owner, "ok", 1) is not None
    assert [bell.id for bell in bells] == [good.id]
    assert redis_client.zrange("phoenix:aside", 0, -1) == [bad.id]


def test_runs_that_are_no_set_stop_no_tick(driven: DrivenLedger, redis_client: Redis) -> None:
    good = driven.asked(101)
    redis_client.delete(QUEUE)
    for worker in ("gone", "w1"):
        redis_client.zadd("phoenix:workers", {worker: 1.0})
        redis_client.lpush(f"phoenix:runs:{worker}", "x")
    seconds, _ = redis_client.time()
    bells: list[Bell] = []
    clocked = Ledger(redis_client, bells.extend, clock=f"{seconds + 5}")
    clocked.call("tick", "w1", 3.0, RESUME_QUEUE, 5, "", 6.0)
    clocked.call("tick", "w1", 3.0, RESUME_QUEUE, 5, "", 6.0, f"{seconds + 5}", "0", "0")
    assert good in {bell.id for bell in bells}
    assert not redis_client.exists("phoenix:runs:gone", "phoenix:runs:w1")


def test_the_next_message_of_a_queue_may_name_what_is_no_record(driven: DrivenLedger, redis_client: Redis) -> None:
    """It says nothing of those behind it: they are late, and not set aside."""
    good = driven.asked(101)
    redis_client.set("phoenix:t:none", "x")
    redis_client.rpush(QUEUE, json.dumps(message("phoenix.plan", QUEUE, "none")))
    assert tick(redis_client, 5.0) == []
    assert redis_client.zscore("phoenix:due", good)
    assert not redis_client.exists("phoenix:aside")
    redis_client.delete("phoenix:t:none")


def test_an_event_that_is_no_text_holds_no_webhook_back(redis_client: Redis, redis_url: str) -> None:
    with Receiver() as receiver, posting(receiver.url, redis_url):
        wait_for(lambda: group(redis_client))
        with Redis.from_url(redis_url) as raw:
            raw.xadd(EVENTS, {"at": "1", "kind": NO_TEXT, "message": NO_TEXT})
        good = happen(redis_client)
        wait_for(lambda: good in {one.id for one in receiver.received})
        wait_for(lambda: (group(redis_client) or {})["pending"] == 0)


def test_watches_and_due_ids_that_are_no_text_stop_neither_watcher_nor_tick(client: Asking, redis_url: str) -> None:
    with Redis.from_url(redis_url) as raw:
        raw.zadd("phoenix:watch", {NO_TEXT + bytes([byte]): 1.0 for byte in range(9)})
        raw.zadd("phoenix:due", {NO_TEXT: 1.0})
        for worker in map(str, client.redis.zrange("phoenix:workers", 0, -1)):
            raw.sadd(f"phoenix:runs:{worker}", NO_TEXT)
    client.redis.set("remote:job", 1)
    assert client.ask("t.locked", 1, "lane", "job").get(timeout=60) == 1
    assert client.ask("t.nap", 0.3, 1).get(timeout=60) == 1


def test_jobs_are_listed_beside_one_that_is_no_text(driven: DrivenLedger, redis_client: Redis, redis_url: str) -> None:
    bad, good = driven.asked(101), driven.asked(102)
    redis_client.hset(f"phoenix:job:{bad}", "requester", NO_TEXT)
    with connection.redis_client(redis_url) as client:
        listed = view(client).jobs()
    assert [job.id for job in listed] == [bad, good]
    assert plain(listed[0].requester) == "\ufffd\ufffd"


def test_what_is_no_text_hides_nothing_by_http_and_no_metric(
    driven: DrivenLedger, redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    bad, good = driven.taken(101), driven.taken(102)
    assert [driven.hold(run, "lane") for run in (good, bad)] == ["held", "parked"]
    path = tmp_path / "tokens.json"
    server = served_inside(redis_url, path, TokenFile(path).add("viewer", Role.VIEWER))
    with server as inside, connection.redis_client(redis_url) as client:
        registry = CollectorRegistry()
        registry.register(LedgerCollector(Ledger(client, lambda _: None)))
        for key in (f"job:{bad.id}", f"t:{bad.id}", f"job:{bad.id}:log", "lock:lane", "capacities", "parked"):
            spoil(redis_client, f"phoenix:{key}")
            said = [inside.ask("GET", f"/v1/{one}") for one in ("jobs", "locks", f"requests/{bad.id}")]
            assert [one.status for one in said] == [200, 200, 200], key
            jobs, locks, _ = (json.loads(one.body.decode()) for one in said)
            assert good.id in {job["id"] for job in jobs}
            assert "lane" in {lock["name"] for lock in locks}
            assert b"phoenix_redis_up 1.0" in generate_latest(registry), key


def spoil(client: Redis, key: str) -> None:
    """Put what is no text into a key; a lock of such a name is also owned by somebody of such an id."""
    match client.type(key):
        case "hash":
            client.hset(key, mapping=dict.fromkeys(("name", "subject", "requester", "queue", NO_TEXT), NO_TEXT))
            client.zadd(b"phoenix:lock:" + NO_TEXT, {NO_TEXT: 0})
        case "zset":
            client.zadd(key, {NO_TEXT: 0})
        case "stream":
            client.xadd(key, {"kind": "waiting", "at": "1", "detail": NO_TEXT, "step": NO_TEXT})


@pytest.mark.parametrize("damage", ["no state", "another state", "no time", "a time that is none"])
def test_jobs_are_listed_beside_one_that_cannot_be_read(damage: str, driven: DrivenLedger, redis_client: Redis) -> None:
    bad, good = driven.asked(101), driven.asked(102)
    key = f"phoenix:job:{bad}"
    {
        "no state": lambda: redis_client.hdel(key, "state"),
        "another state": lambda: redis_client.hset(key, "state", "?"),
        "no time": lambda: redis_client.hdel(key, "created"),
        "a time that is none": lambda: redis_client.hset(key, "created", "x"),
    }[damage]()
    for ended in (False, True):
        listed = {job.id: job.state for job in view(redis_client).jobs(ended=ended)}
        assert listed == {bad: JobState.SET_ASIDE, good: JobState.QUEUED}


@pytest.mark.parametrize("damage", [{"state": "?"}, {"state": ""}, {"created": "x"}, {"parked:lock": "x"}])
def test_a_job_that_cannot_be_read_is_ended_by_its_cancel(
    damage: dict[Any, Any], driven: DrivenLedger, redis_client: Redis
) -> None:
    bad = driven.taken(101)
    driven.hold(bad, "lane")
    redis_client.hset(f"phoenix:job:{bad.id}", mapping=damage)
    verdict, job = driven.ledger.cancel(bad.id, {"message": "No more.", "cause": "cancelled", "remedy": ""})
    assert (verdict, job) == (("cancelled" if "state" not in damage else "aside"), bad.id)
    if verdict == "aside":
        assert driven.hold(driven.taken(102), "lane") == "held"
        assert bad.id not in redis_client.zrange("phoenix:open", 0, -1)
    else:
        driven.ended(bad, "cancelled")
    assert driven.ledger.cancel(bad.id, {"cause": "cancelled"}) == ("over", bad.id)


def test_a_waiter_that_cannot_be_told_lets_a_build_fail(driven: DrivenLedger, redis_client: Redis) -> None:
    """Those who wait for the template hear why it will not come, whatever else waits in their line."""
    builder, bad, good = driven.taken(101), driven.taken(102), driven.taken(103)
    driven.hold(builder, "ct/900")
    build = driven.replaced(builder, "create", 900)
    for run in (bad, good):
        driven.hold(run, "ct/900")
    redis_client.hdel(f"phoenix:t:{bad.id}", "queue")
    bells: list[Bell] = []
    redis_client.hset(f"phoenix:t:{bad.id}", "parked", "x")
    assert Ledger(redis_client, bells.extend).finish(build, "failed", {"message": "no", "cause": "x", "remedy": ""})
    assert good.id in {bell.id for bell in bells}
    assert redis_client.zrange("phoenix:aside", 0, -1) == [bad.id]
