"""A backlog of new requests does not stand in the way of the jobs that are under way."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from tests.support.asking import asking

if TYPE_CHECKING:
    from tests.support.worker import StartWorker

LATER = 30


def test_the_links_of_a_job_overtake_requests_that_came_later(redis_url: str, start_worker: StartWorker) -> None:
    with asking(redis_url) as client:
        first = client.ask("t.chained")
        later = [client.ask("t.locked", number, f"lock{number}") for number in range(LATER)]
        start_worker("tests.support.durable_app", {"DURABLE_REDIS": redis_url}, concurrency=1)
        for result in (first, *later):
            result.get(timeout=60)
        ends = {job.id: float(client.redis.hget(f"phoenix:job:{job.id}", "ended") or 0) for job in (first, *later)}
    before = sum(ends[job.id] < ends[first.id] for job in later)
    assert before < LATER, "each link went to the end of the queue"


def test_the_ids_of_links_derive_from_the_request(redis_url: str, start_worker: StartWorker) -> None:
    """As the protocol says: so that replacing twice is replacing once."""
    with asking(redis_url) as client:
        start_worker("tests.support.durable_app", {"DURABLE_REDIS": redis_url})
        request = client.ask("t.chained")
        request.get(timeout=60)
        links = {f"phoenix:t:{uuid5(UUID(request.id), f'0/{position}')}" for position in range(2)}
        assert links <= set(client.redis.keys("phoenix:t:*"))
