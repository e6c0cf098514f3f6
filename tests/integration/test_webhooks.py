"""Webhooks against a real Redis and a real receiver: signed, at least once, not for ever."""

from __future__ import annotations

import base64
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from phoenix_worker.durable.ledger import EVENTS
from phoenix_worker.telemetry.webhooks import Webhooks
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from redis import Redis

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
SOON = (0.05, 0.05, 0.05)
LATE = (600.0, 600.0)
"""Longer than a post may take, however busy the machine: no other worker takes one for dead that posts."""
_AN_HOUR = 3_600_000
"""In milliseconds."""


@contextmanager
def posting(url: str, redis_url: str, pauses: tuple[float, ...] = SOON) -> Iterator[Webhooks]:
    thread = Webhooks(url, SECRET, redis_url, pauses=pauses)
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()


def group(client: Redis) -> dict[str, Any] | None:
    """What Redis remembers of the receiver."""
    found: list[dict[str, Any]] = client.xinfo_groups(EVENTS) if client.exists(EVENTS) else []
    return found[0] if found else None


def happen(client: Redis, kind: str = "done", **fields: str) -> str:
    event: dict[Any, Any] = {"at": "1760000000.5", "kind": kind, "job": "the-job", "request": "phoenix.ensure"}
    return str(client.xadd(EVENTS, event | {"subject": "103", "outcome": ""} | fields))


def test_an_event_that_is_not_taken_is_posted_again_until_it_is(redis_client: Redis, redis_url: str) -> None:
    with Receiver(500, 302, 429) as receiver, posting(receiver.url, redis_url):
        wait_for(lambda: group(redis_client))
        event = happen(redis_client, outcome="created")
        wait_for(lambda: len(receiver.received) == 4)
        wait_for(lambda: (group(redis_client) or {})["pending"] == 0)
        assert {one.id for one in receiver.received} == {event}, "a receiver knows it by its id"
        assert all(one.is_signed_with(KEY) for one in receiver.received)
        assert not receiver.received[0].is_signed_with(KEY[1:])
        assert receiver.received[-1].told == {
            "type": "phoenix.job.done",
            "timestamp": "2025-10-09T08:53:20.500000+00:00",
            "data": {"job": "the-job", "request": "phoenix.ensure", "ctid": 103, "outcome": "created"},
        }
    assert redis_client.ttl(EVENTS) > 0, "a stream that nobody adds to goes"


def test_a_signature_is_by_the_clock_of_redis(
    redis_client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Receivers refuse old ones: those of a worker on a machine whose clock is wrong would all be given up."""
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() - _AN_HOUR / 1000)
    with Receiver() as receiver, posting(receiver.url, redis_url):
        wait_for(lambda: group(redis_client))
        happen(redis_client)
        wait_for(lambda: receiver.received)
    (seconds, _), stamped = redis_client.time(), int(receiver.received[0].headers["webhook-timestamp"])
    assert abs(stamped - seconds) < _AN_HOUR / 2000


def test_what_a_dead_worker_had_taken_is_posted_by_another(redis_client: Redis, redis_url: str) -> None:
    with Receiver() as receiver:
        with posting(receiver.url, redis_url):
            remembers = wait_for(lambda: group(redis_client))
        assert remembers is not None
        event = happen(redis_client)
        redis_client.xreadgroup(remembers["name"], "dead", {EVENTS: ">"})
        redis_client.xclaim(EVENTS, remembers["name"], "dead", 0, [event], idle=_AN_HOUR, justid=True)
        with posting(receiver.url, redis_url, LATE), posting(receiver.url, redis_url, LATE):
            wait_for(lambda: receiver.received)
            later = happen(redis_client, "failed", cause="not-ours")
            wait_for(lambda: len(receiver.received) == 2)
            wait_for(lambda: (group(redis_client) or {})["pending"] == 0)
        assert [one.id for one in receiver.received] == [event, later], "two workers post each of them once"


def test_it_is_given_up_and_told(redis_client: Redis, redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with Receiver(*[503] * 4) as receiver, posting(receiver.url, redis_url):
        wait_for(lambda: group(redis_client))
        event = happen(redis_client)
        wait_for(lambda: f"of event {event} was given up after 4 tries: it answers 503" in caplog.text)
        wait_for(lambda: (group(redis_client) or {})["pending"] == 0)
        assert len(receiver.received) == 4


def test_it_is_not_posted_again_before_its_pause_is_over(redis_client: Redis, redis_url: str) -> None:
    with Receiver(500) as receiver, posting(receiver.url, redis_url, (600.0,)):
        wait_for(lambda: group(redis_client))
        refused, others = happen(redis_client), []
        wait_for(lambda: receiver.received)
        for count in (2, 3, 4):
            others.append(happen(redis_client))
            wait_for(lambda count=count: len(receiver.received) == count)  # type: ignore[misc]  # mypy: a default
        assert [one.id for one in receiver.received] == [refused, *others]


def test_a_later_pause_is_longer_than_the_first(redis_client: Redis, redis_url: str) -> None:
    with Receiver(500, 500) as receiver, posting(receiver.url, redis_url, (0.05, 600.0)):
        remembers = wait_for(lambda: group(redis_client))
        assert remembers is not None
        refused = happen(redis_client)
        wait_for(lambda: len(receiver.received) == 2)
        wait_for(lambda: redis_client.xpending_range(EVENTS, remembers["name"], "-", "+", 1, idle=300))
        other = happen(redis_client)
        wait_for(lambda: len(receiver.received) == 3)
        assert [one.id for one in receiver.received] == [refused, refused, other]


def test_a_redirect_is_not_followed(redis_client: Redis, redis_url: str) -> None:
    with (
        Receiver() as elsewhere,
        Receiver(*[307] * 9, location=elsewhere.url) as receiver,
        posting(receiver.url, redis_url),
    ):
        wait_for(lambda: group(redis_client))
        happen(redis_client)
        wait_for(lambda: len(receiver.received) == 4)
        assert elsewhere.received == []


def test_the_secret_is_in_no_line_of_the_log(
    redis_client: Redis, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Receiver(*[500] * 4) as receiver, posting(receiver.url, redis_url) as thread:
        wait_for(lambda: group(redis_client))
        happen(redis_client)
        happen(redis_client, at="never")
        wait_for(lambda: "was given up" in caplog.text and "Unable to encode" in caplog.text)
    for secret in (SECRET, SECRET.removeprefix("whsec_"), KEY.hex()):
        assert secret not in caplog.text + repr(thread)


def test_an_event_of_an_impossible_time_holds_back_no_other(
    redis_client: Redis, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Producers may write to the stream. What the C library refuses is an OSError, of larger numbers another error."""
    impossible = ("-1e17", "1e12", "1e17", "1e300", "inf", "nan", "")
    with Receiver() as receiver, posting(receiver.url, redis_url, LATE):
        wait_for(lambda: group(redis_client))
        for at in impossible:
            happen(redis_client, at=at)
        event = happen(redis_client)
        wait_for(lambda: receiver.received)
        wait_for(lambda: (group(redis_client) or {})["pending"] == 0)
        assert [one.id for one in receiver.received] == [event]
    assert caplog.text.count("Unable to encode") == len(impossible)
    assert "webhooks thread failed" not in caplog.text


def test_twenty_that_are_refused_do_not_hold_back_the_next(redis_client: Redis, redis_url: str) -> None:
    """Each of them waits for its pause; what is behind them and was never answered is posted again in its turn."""
    with Receiver(*[500] * 20) as receiver, posting(receiver.url, redis_url, (0.05, 600.0, 600.0)) as first:
        wait_for(lambda: group(redis_client))
        remembers = group(redis_client)
        assert remembers is not None
        for _ in range(20):
            happen(redis_client)
        wait_for(lambda: len(receiver.received) >= 20)
        first.stop()
        behind = happen(redis_client)
        redis_client.xreadgroup(remembers["name"], "dead", {EVENTS: ">"})
        with posting(receiver.url, redis_url, (0.05, 600.0, 600.0)):
            wait_for(lambda: behind in [one.id for one in receiver.received])


def test_an_event_that_cannot_be_written_down_is_passed_over(redis_client: Redis, redis_url: str) -> None:
    with Receiver() as receiver, posting(receiver.url, redis_url):
        wait_for(lambda: group(redis_client))
        happen(redis_client, at="never")
        happen(redis_client, at="1e300")
        redis_client.xadd(EVENTS, {"nothing": "of it"})
        event = happen(redis_client)
        wait_for(lambda: [one.id for one in receiver.received] == [event])
        wait_for(lambda: (group(redis_client) or {})["pending"] == 0)


def test_a_wiped_redis_costs_the_events_that_were_there_and_no_more(redis_client: Redis, redis_url: str) -> None:
    with Receiver() as receiver, posting(receiver.url, redis_url):
        wait_for(lambda: group(redis_client))
        redis_client.flushall()
        wait_for(lambda: group(redis_client))
        event = happen(redis_client)
        wait_for(lambda: [one.id for one in receiver.received] == [event])
