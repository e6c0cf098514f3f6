"""Those who wait by HTTP: how many there may be, and what happens to one that does not keep up."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack

import pytest

from phoenix_producer.contract import Failure
from phoenix_producer.http.events import _event
from phoenix_producer.http.feeds import MOST_WAITING, Batch, Feed, Line, Reader, order
from phoenix_producer.http.problems import Refused


async def fill_it() -> None:
    reader = Reader(lambda _: [], asyncio.get_running_loop())
    with ExitStack() as clients:
        for _ in range(MOST_WAITING - 1):
            clients.enter_context(reader.following("stream", "0-0"))
        with reader.following("another", "0-0"), pytest.raises(Refused) as refused:
            clients.enter_context(reader.following("stream", "0-0"))
        assert refused.value.status == 503
        assert not await reader.answered("who has left makes room", 0.01)


def test_so_many_may_wait_and_who_leaves_makes_room() -> None:
    asyncio.run(fill_it())


def test_who_does_not_keep_up_is_cut_off_and_has_all_until_then() -> None:
    async def fed() -> list[str]:
        feed = Feed("stream")
        for number in range(5000):
            feed.put(Batch([Line(f"{number}-0", {})]))
        assert feed.is_cut
        told = []
        while batches := await feed.next(0.001):
            told += [line.place for batch in batches for line in batch.lines]
        return told

    told = asyncio.run(fed())
    assert told == [f"{number}-0" for number in range(len(told))]
    assert 0 < len(told) < 5000


def test_what_is_written_at_once_and_what_has_to_wait_come_once_and_in_order() -> None:
    """A connection takes nothing for a while, and its client is slow to come for the rest."""

    async def fed() -> list[str]:
        feed, told = Feed("stream"), list[str]()

        def push(batch: Batch) -> bool:
            is_taken = len(told) % 7 != 3
            told.extend(line.place for line in batch.lines if is_taken)
            return is_taken

        async def take() -> None:
            while True:
                for batch in await feed.next(60):
                    await asyncio.sleep(0)
                    told.extend(line.place for line in batch.lines)

        feed.push = push
        taking = asyncio.create_task(take())
        for number in range(500):
            feed.put(Batch([Line(f"{number}-0", {})]))
            if number % 5 == 0:
                await asyncio.sleep(0.001)
        async with asyncio.timeout(60):
            while len(told) < 500:  # noqa: ASYNC110 - a feed tells nobody that it is empty
                await asyncio.sleep(0.001)
        taking.cancel()
        return told

    assert asyncio.run(fed()) == [f"{number}-0" for number in range(500)]


def test_a_failure_that_a_worker_kept_as_json_is_told_in_words_with_the_way_by_http() -> None:
    kept = Failure(request_id="5b0e", ctid=103, message="No shell.", cause="no-shell", remedy="Or add --adopt.")
    fields = {"at": "1", "kind": "failed", "step": "phoenix.ensure", "subject": "103"}
    for detail in (kept.model_dump_json(), "No shell. Or add --adopt."):
        told = _event(Line("1-0", {**fields, "detail": detail}), "5b0e", "").decode()
        assert json.loads(told.splitlines()[-2].removeprefix("data: "))["detail"] == (
            'No shell. Or add --adopt. By HTTP: `--adopt` is `"adopt": true` in the body.'
        )


def test_ids_are_ordered_as_numbers() -> None:
    assert sorted(["10-0", "9-10", "9-9", "9"], key=order) == ["9", "9-9", "9-10", "10-0"]
