"""What all requests share in Redis, spoiled by somebody who may write there: requests end all the same."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from phoenix_producer.contract import QUEUE, RESUME_QUEUE, UPKEEP_QUEUE
from phoenix_worker.durable.ledger import Ledger
from phoenix_worker.durable.reservations import Reservations
from phoenix_worker.telemetry.ledger_metrics import LedgerCollector
from tests.integration.test_set_aside import tick, view
from tests.support.asking import asking
from tests.support.driven_ledger import UPID
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from tests.support.asking import Asking
    from tests.support.driven_ledger import DrivenLedger
    from tests.support.worker import StartWorker

NUMBERS = (
    "ticks",
    "ticked",
    "set",
    "seq",
    "reserved",
    *(f"pos:{queue}" for queue in (QUEUE, UPKEEP_QUEUE, RESUME_QUEUE)),
)
COUNTED = {"parked": ("upid", "lock"), "capacities": ("lane",), "held": ("lane",), "claimed": (QUEUE, RESUME_QUEUE)}
SETS = ("due", "workers", "watch", "aside", "jobs", "open", "runs:w1", "lock:lane", "reserved:lately")
OTHERS = (
    "watched",
    "watch:turn",
    "watch:looks",
    "queues",
    "events",
    "flight:phoenix.ensure 101",
    "learned:remote",
    "written",
    "server",
    "replaced",
)
QUEUES = tuple(
    f"{queue}{end}" for queue in (QUEUE, UPKEEP_QUEUE, RESUME_QUEUE) for end in ("", "\x06\x163", "\x06\x169")
)
BINDINGS = tuple(
    f"_kombu.{kind}.{queue}" for queue in (QUEUE, RESUME_QUEUE) for kind in ("binding", "binding_permanent")
)
PLACING = ("reservations", "drained")
NO_NUMBERS = ("x", "nan", "inf", "", "9" * 30)
SHARED = (*NUMBERS, *COUNTED, *SETS, *OTHERS, *PLACING)


def spoilers() -> Iterator[tuple[str, Callable[[Redis], object]]]:
    """Each way in which a key is spoiled, with the key."""
    for key in SHARED:
        yield key, partial(of_another_kind, key)
        yield key, partial(a_list, key)
    for key in NUMBERS:
        for value in NO_NUMBERS:
            yield key, partial(with_value, key, value)
    for key, fields in COUNTED.items():
        for value in (*NO_NUMBERS, "1.5"):
            yield key, partial(with_fields, key, dict.fromkeys(fields, value))
    yield "watch:turn", partial(with_value, "watch:turn", "x")
    yield "watch:turn", lambda client: client.set("phoenix:watch:turn", "x", ex=3600)
    for value in (*NO_NUMBERS, "-1"):
        yield "learned:remote", partial(a_list, "learned:remote", of=value)


def of_another_kind(key: str, client: Redis) -> None:
    client.delete(f"phoenix:{key}")
    client.hset(f"phoenix:{key}", "x", "x") if key in SETS else client.zadd(f"phoenix:{key}", {"x": 1})


def a_list(key: str, client: Redis, *, of: str = "x") -> None:
    client.delete(f"phoenix:{key}")
    client.rpush(f"phoenix:{key}", of)


def with_value(key: str, value: str, client: Redis) -> None:
    client.set(f"phoenix:{key}", value)


def with_fields(key: str, fields: dict[Any, Any], client: Redis) -> None:
    client.hset(f"phoenix:{key}", mapping=fields)


@pytest.fixture
def client(redis_url: str, start_worker: StartWorker) -> Iterator[Asking]:
    start_worker("tests.support.durable_app", {"DURABLE_REDIS": redis_url, "DURABLE_TTL": "1"}, concurrency=2)
    with asking(redis_url) as client:
        yield client


@pytest.mark.parametrize("key", SHARED)
def test_after_the_next_tick_a_request_goes_through(key: str, driven: DrivenLedger, redis_client: Redis) -> None:
    for spoil in (spoil for spoiled, spoil in spoilers() if spoiled == key):
        redis_client.flushdb()
        spoil(redis_client)
        tick(redis_client, 0.0)
        goes_through(driven, redis_client)


def goes_through(driven: DrivenLedger, redis_client: Redis) -> None:
    """Two requests hold a lock, one after the other; the first waits for a task of Proxmox besides."""
    first, second = driven.taken(101), driven.taken(102)
    made = Reservations(driven.ledger).read().made
    assert driven.say("settle", first, "", "101", '"pve1"', "{}", made) == "settled"
    assert driven.hold(first, "lane") == "held"
    assert driven.hold(second, "lane") == "parked"
    assert [len(lock.owners) for lock in view(redis_client).locks()] == [1]
    assert driven.wait(first, f"upid/{UPID}", "") == "parked"
    driven.ledger.resolve(f"upid/{UPID}", "OK")
    first = driven.claim(first.id)
    driven.ended(first)
    second = driven.claim(second.id)
    assert driven.hold(second, "lane") == "held"
    driven.ended(second)
    tick(redis_client, 0.0)
    assert view(redis_client).jobs() == []


@pytest.mark.parametrize("capacity", [*NO_NUMBERS, "0", "-1", "0.5"])
def test_a_capacity_without_sense_blocks_nobody_and_lets_nobody_in(
    capacity: str, driven: DrivenLedger, redis_client: Redis
) -> None:
    first, second, third = (driven.taken(ctid) for ctid in (101, 102, 103))
    assert [driven.hold(one, "lane") for one in (first, second, third)] == ["held", "parked", "parked"]
    redis_client.hset("phoenix:capacities", "lane", capacity)
    driven.ended(first)
    assert [len(lock.owners) for lock in view(redis_client).locks()] == [1]
    assert driven.hold(driven.claim(second.id), "lane") == "held"


@pytest.mark.parametrize("capacity", [*NO_NUMBERS, "0", "-1"])
def test_the_next_tick_serves_those_whom_a_capacity_has_blocked(
    capacity: str, driven: DrivenLedger, redis_client: Redis
) -> None:
    first, second = driven.taken(101), driven.taken(102)
    assert [driven.hold(one, "lane") for one in (first, second)] == ["held", "parked"]
    redis_client.hset("phoenix:capacities", "lane", capacity)
    redis_client.zrem("phoenix:lock:lane", first.id)
    tick(redis_client, 0.0)
    assert redis_client.hget("phoenix:capacities", "lane") is None
    assert driven.hold(driven.claim(second.id), "lane") == "held"


@pytest.mark.parametrize("key", SHARED)
def test_what_is_spoiled_ends_neither_a_scrape_nor_a_list(key: str, driven: DrivenLedger, redis_client: Redis) -> None:
    registry = CollectorRegistry()
    registry.register(LedgerCollector(Ledger(redis_client, lambda _: None)))
    for spoil in (spoil for spoiled, spoil in spoilers() if spoiled == key):
        redis_client.flushdb()
        driven.hold(driven.taken(101), "lane")
        spoil(redis_client)
        tick(redis_client, 0.0)
        assert b"phoenix_redis_up 1.0" in generate_latest(registry)
        view(redis_client).locks()
        view(redis_client).jobs(ended=True)


def test_workers_go_on_when_all_of_it_is_spoiled_at_once(client: Asking) -> None:
    client.redis.set("remote:job", 1)
    with client.redis.pipeline() as at_once:  # no tick comes in between
        for key, spoil in spoilers():
            at_once.delete(f"phoenix:{key}")
            spoil(at_once)
        for key in (*QUEUES, *BINDINGS):
            at_once.delete(key)
            at_once.hset(key, "x", "x")
        at_once.execute()
    wait_for(lambda: int(str(client.redis.get("phoenix:seq"))) < int("9" * 30))
    assert "hash" not in {client.redis.type(key) for key in (*QUEUES, *BINDINGS)}
    assert client.ask("t.locked", 1, "lane", "job").get(timeout=60) == 1
    assert client.ask("t.nap", 0.1, 1).get(timeout=60) == 1


NO_NOTES = ["{", "[]", "1", '"x"', '{"job": "a"}', '{"at": "x"}', '{"at": 1e400}', "[" * 2000]


def test_notes_that_others_wrote_are_none(driven: DrivenLedger, redis_client: Redis) -> None:
    """Who made a CTID is asked by each ensure that finds nothing to do."""
    job, ledger = driven.asked(101), driven.ledger
    ledger.note_made([101, 102], "maker", float("9" * 12))
    for note in NO_NOTES:
        redis_client.set("phoenix:note:made/101", note)
        assert ledger.made_since(job, [101, 102]) == {102: "maker"}
    redis_client.delete("phoenix:note:made/101")
    redis_client.hset("phoenix:note:made/101", "x", "x")
    assert ledger.made_since(job, [101, 102]) == {102: "maker"}
    assert ledger.noted("made/101") is None
    assert ledger.noted("made/102") == {"job": "maker", "at": float("9" * 12)}
