"""What belongs to one job, spoiled by whoever may write to Redis: it is shown, `cancel` ends it, no other is hidden."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer.client.link import Link
from phoenix_producer.flower_history import jobs_of
from phoenix_producer.http.events import _event
from phoenix_producer.http.feeds import Feed, Line, Reader
from phoenix_producer.ledger.entries import JobState
from phoenix_producer.ledger.view import LedgerView
from phoenix_worker.durable.ledger import ASIDE, Bell, Ledger
from tests.integration.test_set_aside import WHY, tick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from tests.support.driven_ledger import DrivenLedger

PARTS = ("t:{}", "j:{}", *(f"job:{{}}{part}" for part in ("", ":members", ":log", ":steps", ":followers", ":answer")))
TELLS = ("t:{}", "job:{}", "job:{}:members")
"""Without one of these, nobody knows how to end the job in order."""
KINDS = ("string", "list", "hash", "set", "zset", "stream")


def spoil(client: Redis, key: str, kind: str) -> bool:
    """Put a key of this kind in the place of one, and tell whether it was of another kind or is without sense."""
    before = client.type(key)
    client.delete(key)
    values: dict[str, Callable[[], object]] = {
        "string": lambda: client.set(key, "x"),
        "list": lambda: client.rpush(key, "x"),
        "hash": lambda: client.hset(key, "x", "x"),
        "set": lambda: client.sadd(key, "x"),
        "zset": lambda: client.zadd(key, {"x": 1}),
        "stream": lambda: client.xadd(key, {"x": "x"}),
    }
    values[kind]()
    return before != kind


@pytest.fixture
def link(redis_url: str) -> Iterator[Link]:
    link = Link(redis_url)
    yield link
    link.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", PARTS)
def test_one_that_is_spoiled_hides_no_other_and_can_be_ended(
    part: str, kind: str, driven: DrivenLedger, redis_client: Redis, link: Link
) -> None:
    """It has a lock that another waits for, and which only its end gives back."""
    bad, good = driven.taken(101), driven.taken(102)
    assert [driven.hold(run, "lane") for run in (bad, good)] == ["held", "parked"]
    is_other = spoil(redis_client, f"phoenix:{part.format(bad.id)}", kind) or part in {"t:{}", "job:{}"}
    view = LedgerView(link.look)
    for ended in (False, True):
        listed = {job.id: job.state for job in view.jobs(ended=ended)}
        assert listed[good.id] is JobState.WAITING
        assert part not in TELLS or not is_other or kind == "hash" or listed[bad.id] is JobState.SET_ASIDE
    assert good.id in {one.job for lock in view.locks() for one in lock.queue}
    assert good.id in {job.id for job in jobs_of(redis_client)}
    assert driven.ledger.open_jobs("phoenix.ensure", "102") == [good.id]
    for read in (view.history, view.steps, view.looked, view.job):
        read(bad.id)
    bells: list[Bell] = []
    ledger = Ledger(redis_client, bells.extend)
    tick(redis_client, 0.0)
    if part in TELLS and is_other:
        assert ledger.cancel(bad.id, WHY)[0] == ASIDE
        assert [bell.id for bell in bells] == [good.id]
        assert redis_client.hget(f"phoenix:job:{bad.id}", "state") == "cancelled"
        assert not redis_client.exists("phoenix:aside", f"phoenix:job:{bad.id}:members")
        assert ledger.cancel(bad.id, WHY) == ("over", bad.id)
    else:
        assert ledger.cancel(bad.id, WHY)[0] in {"cancelled", "detached"}
    assert ledger.cancel(good.id, WHY) == ("cancelled", good.id)


def test_an_id_with_a_colon_names_no_part_of_another_job(driven: DrivenLedger, redis_client: Redis) -> None:
    good = driven.taken(101)
    for part in ("members", "log"):
        assert driven.ledger.cancel(f"{good.id}:{part}", WHY) == ("unknown", "")
        assert redis_client.exists(f"phoenix:job:{good.id}:{part}")


@pytest.mark.parametrize("kind", ["string", "list", "hash", "set", "stream"])
@pytest.mark.parametrize("first", ["tick", "hold", "release"])
def test_those_in_the_line_of_a_spoiled_lock_stand_in_it_again(
    kind: str, first: str, driven: DrivenLedger, redis_client: Redis
) -> None:
    """Nobody else would wake them; and whoever came next would have the lock beside its owner."""
    owner, second, third = (driven.taken(ctid) for ctid in (101, 102, 103))
    assert [driven.hold(run, "lane") for run in (owner, second)] == ["held", "parked"]
    spoil(redis_client, "phoenix:lock:lane", kind)
    if first == "tick":
        tick(redis_client, 0.0)
    if first != "release":
        assert driven.hold(third, "lane") == "parked"
    bells: list[Bell] = []
    Ledger(redis_client, bells.extend).finish(owner, "ok", 1)
    assert [bell.id for bell in bells] == [second.id]


def test_a_waiter_whose_record_says_nothing_lets_its_lock_pass_on(driven: DrivenLedger, redis_client: Redis) -> None:
    owner, bad, good = (driven.taken(ctid) for ctid in (101, 102, 103))
    for run in (owner, bad, good):
        driven.hold(run, "lane")
    spoil(redis_client, f"phoenix:t:{bad.id}", "hash")
    bells: list[Bell] = []
    assert Ledger(redis_client, bells.extend).finish(owner, "ok", 1) is not None
    assert [bell.id for bell in bells] == [good.id]
    assert driven.ledger.cancel(bad.id, WHY) == (ASIDE, bad.id)


@pytest.mark.parametrize("kind", ["string", "list", "hash", "set", "zset"])
def test_a_history_that_is_no_stream_silences_no_other(
    kind: str, driven: DrivenLedger, redis_client: Redis, link: Link
) -> None:
    bad, good = (f"phoenix:job:{driven.asked(ctid)}:log" for ctid in (101, 102))
    spoil(redis_client, bad, kind)

    async def followed() -> list[str]:
        reader = Reader(link.look, asyncio.get_running_loop())
        with reader.following(bad, "0-0"), reader.following(good, "0-0") as feed:
            assert isinstance(feed, Feed)
            await asyncio.to_thread(reader._turn)
            batches = await feed.next(60.0)
            return [line.fields["kind"] for batch in batches for line in batch.lines]

    assert asyncio.run(followed()) == ["requested"]


UNREADABLE: list[dict[Any, Any]] = [{}, {"kind": "done"}, {"kind": "done", "at": "x"}, {"kind": "?", "at": "1"}]


@pytest.mark.parametrize("fields", UNREADABLE)
def test_a_line_of_a_history_that_cannot_be_read_hides_none_behind_it(
    fields: dict[Any, Any], driven: DrivenLedger, redis_client: Redis, link: Link
) -> None:
    job = driven.asked(101)
    redis_client.xadd(f"phoenix:job:{job}:log", fields or {"x": "x"})
    driven.claim(job)
    told = [progress.kind for progress in LedgerView(link.look).history(job)]
    assert told == ["requested", "step-started"]
    assert _event(Line("5-1", fields), job, "") == b"id: 5-1\n\n"
