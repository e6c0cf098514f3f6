"""A Redis that takes no writes: scripts that go through many records end, and blame none of them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ResponseError

from phoenix_producer.contract import RESUME_QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from phoenix_worker.durable.run import Run
    from tests.support.still_ledger import StillLedger

WHY = '{"message": "no", "cause": "cancelled", "remedy": ""}'
FAILED = ("failed", WHY, "", "", 0, "", "")


@contextmanager
def full(client: Redis) -> Iterator[None]:
    client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        client.config_set("maxmemory", 0)


def everything(client: Redis) -> dict[Any, Any]:
    return {key: client.dump(key) for key in client.scan_iter("phoenix:*")}


@pytest.fixture
def owner(still: StillLedger, redis_client: Redis) -> Run:
    """One runs, has a lock and a second task; others stand in line, wait for an event, share its run, are queued."""
    owner, waiter, watcher, follower = (still.taken(name) for name in ("owner", "waiter", "watcher", "follower"))
    still.asked("member", job=owner.id)
    assert [still.hold(run, "lane") for run in (owner, waiter)] == ["held", "parked"]
    assert still.wait(watcher, "upid/x", '{"task": "watcher"}', 5.0) == "parked"
    assert still.say("join", owner, "", "ensure 101", "1", "shared") == "lead"
    assert still.say("join", follower, "", "ensure 101", "1", "shared") == "parked"
    still.asked("queued")
    still.tick("w1")
    still.at(90.0)  # w1 has no heartbeat since
    redis_client.script_flush()
    return owner


SCRIPTS: dict[str, Callable[[Run], tuple[str | float, ...]]] = {
    "tick": lambda _: ("w2", 60.0, RESUME_QUEUE, 5, '"given up"', 6.0),
    "reconcile": lambda _: (RESUME_QUEUE, 0, 0, 100, WHY),
    "farewell": lambda _: ("w1", 6.0),
    "finish": lambda run: (run.id, run.number, RESUME_QUEUE, *FAILED),
    "cancel": lambda run: (RESUME_QUEUE, run.id, WHY),
    "resolve": lambda _: ("upid/x", '"ended"', RESUME_QUEUE),
}


@pytest.mark.parametrize("lost", ["", "lock:lane", "runs:w1", "due", "watched", "job:owner:members"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_what_it_refuses_changes_nothing_and_sets_nobody_aside(
    script: str, lost: str, owner: Run, still: StillLedger, redis_client: Redis
) -> None:
    """Whatever is missing of what the script reads, and would be entered again. What deletes first is carried out."""
    if lost:
        redis_client.delete(still.key(lost))
    before = everything(redis_client)
    try:
        with full(redis_client):
            still.attempt(script, *SCRIPTS[script](owner))
    except ResponseError:
        assert everything(redis_client) == before
    assert not redis_client.exists(still.key("aside"))
