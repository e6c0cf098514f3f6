"""What other services hear of jobs: by the stream, and by webhooks of a real worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.acceptance.scenes import failure_of
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product

SECRET = "a text that is the webhooks' secret"


def test_jobs_are_announced_to_whoever_follows(product: Product) -> None:
    with Receiver() as receiver:
        worker = product.start_worker(PHOENIX_WEBHOOK_URL=receiver.url, PHOENIX_WEBHOOK_SECRET=SECRET)
        wait_for(lambda: product.redis.exists("phoenix:events"))  # it remembers from now on
        made = product.producer.ensure(103)
        made.wait(timeout=60)
        unknown = product.producer.ensure(555)
        failure = failure_of(unknown)
        wanted = [
            {"kind": "requested", "job": made.id, "subject": "103", "requester": "tests", "outcome": ""},
            {"kind": "done", "job": made.id, "subject": "103", "requester": "tests", "outcome": "created"},
            {"kind": "requested", "job": unknown.id, "subject": "555", "requester": "tests", "outcome": ""},
            {"kind": "failed", "job": unknown.id, "subject": "555", "requester": "tests", "outcome": ""},
        ]
        wait_for(lambda: product.redis.xlen("phoenix:events") == 4)
        events: list[Any] = list(product.redis.xrange("phoenix:events") or ())
        assert [{name: fields[name] for name in wanted[0]} for _, fields in events] == wanted
        assert (events[3][1]["cause"], events[3][1]["message"]) == (failure.cause, failure.message)
        assert product.redis.ttl("phoenix:events") > 0

        wait_for(lambda: len(receiver.received) == 4)
        assert [one.id for one in receiver.received] == [event for event, _ in events]
        assert all(one.is_signed_with(SECRET.encode()) for one in receiver.received)
        assert receiver.received[1].told["data"]["ctid"] == 103
        assert receiver.received[3].told["data"]["cause"] == "not-declared"
        assert SECRET not in worker.log()
