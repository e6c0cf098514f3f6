"""A queued message that nobody has claimed: late is not lost. Only what is proved to be lost is sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_producer.contract import QUEUE, RESUME_QUEUE
from phoenix_worker.durable.ledger import Bell, Ledger

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.driven_ledger import DrivenLedger


GRACE = 2.0
"""Seconds after which a queued message is looked for, as in ledger.lua."""


class Clock:
    """Redis's time, stopped at the moment at which all that is queued came, however long the machine took for it."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        seconds, microseconds = client.time()
        self._stopped = seconds + microseconds / 1e6
        for place, task_id in enumerate(client.zrange("phoenix:due", 0, -1)):
            client.zadd("phoenix:due", {str(task_id): self._stopped + GRACE + place / 1000})

    def sent_again(self, later: float, by: str = "w1") -> list[str]:
        """The ids that a tick of this worker sends again this many seconds after that moment."""
        bells: list[Bell] = []
        ledger = Ledger(self._client, bells.extend, clock=f"{self._stopped + later:.6f}")
        ledger.call("tick", by, 3.0, RESUME_QUEUE, 5, "", 6.0)
        return [bell.id for bell in bells]


def test_a_backlog_is_waited_for_however_late_it_is(driven: DrivenLedger, redis_client: Redis) -> None:
    ids = [driven.asked(ctid) for ctid in range(101, 131)]
    clock = Clock(redis_client)
    for later in (5.0, 50.0, 500.0, 5000.0):
        assert clock.sent_again(later) == []
    driven.claim(ids[0])
    assert clock.sent_again(50000.0) == [], "the next in the line is no later one"


def test_what_a_later_one_overtook_is_lost(driven: DrivenLedger, redis_client: Redis) -> None:
    ids = [driven.asked(ctid) for ctid in range(101, 106)]
    clock = Clock(redis_client)
    driven.claim(ids[2])
    assert clock.sent_again(1.0) == [], "it may just now be under way to its claim"
    assert clock.sent_again(5.0) == ids[:2]
    assert clock.sent_again(6.0) == [], "it was sent a second ago"


def test_what_is_in_no_queue_is_lost(driven: DrivenLedger, redis_client: Redis) -> None:
    ids = [driven.asked(ctid) for ctid in (101, 102)]
    clock = Clock(redis_client)
    redis_client.delete(QUEUE)
    assert clock.sent_again(5.0) == ids


def test_a_loss_in_a_short_queue_is_seen_soon_after_it_is_proved(driven: DrivenLedger, redis_client: Redis) -> None:
    """It was looked for, and taken for late, three times; then a later one is claimed."""
    ids = [driven.asked(ctid) for ctid in range(101, 111)]
    clock = Clock(redis_client)
    for later in (2.2, 4.5, 6.8):
        assert clock.sent_again(later) == []
    driven.claim(ids[1])
    assert ids[0] in clock.sent_again(7.6)


def test_what_is_older_than_the_oldest_in_the_queue_is_lost(driven: DrivenLedger, redis_client: Redis) -> None:
    """A worker has fetched it, and was killed before it could claim it; nothing behind it is claimed either."""
    ids = [driven.asked(ctid) for ctid in range(101, 106)]
    clock = Clock(redis_client)
    redis_client.rpop(QUEUE, 2)
    assert clock.sent_again(2.2) == ids[:2]


def test_a_death_has_what_was_fetched_looked_for_at_once(driven: DrivenLedger, redis_client: Redis) -> None:
    """However often it was sent again before. What came a moment ago may still be under way to its queue."""
    ids = [driven.asked(ctid) for ctid in (101, 102)]
    clock = Clock(redis_client)
    clock.sent_again(0, by="the doomed")
    redis_client.delete(QUEUE)
    assert sorted(clock.sent_again(2.2)) == sorted(ids)
    assert clock.sent_again(2.9) == []
    assert sorted(clock.sent_again(3.1)) == sorted(ids), "the doomed worker, which had fetched them again, is dead"


def test_an_item_that_is_no_message_proves_nothing(driven: DrivenLedger, redis_client: Redis) -> None:
    driven.asked(101)
    clock = Clock(redis_client)
    redis_client.delete(QUEUE)
    redis_client.rpush(QUEUE, "[")
    assert clock.sent_again(5.0) == []
