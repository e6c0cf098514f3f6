"""What is said to all workers at once, and by them to each other: whatever it is, none of them ends or stands still."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from phoenix_producer.contract import QUEUE, UPKEEP_QUEUE
from tests.crash.test_embedded_messages import end_of, push, pushed
from tests.support.publishing import other_app
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from tests.support.product import Product
    from tests.support.worker import StartWorker

pytestmark = [pytest.mark.crash, pytest.mark.long]

COMMANDS, GOSSIP = "/0.celery.pidbox", "/0.celeryev/worker.heartbeat"
"""Where Celery's Redis transport says what all are to hear."""
UNREADABLE = (b"[]", b"5", b"{}", b"{", b"\xff\xfe", b'{"properties": {}}', b"[" * 5000, b"9" * 5000)
GARBAGE: list[Any] = [None, 0, 1.5, "", "x", [], [1], {}, {"a": {}}, [["x", 1]]]
SENSELESS: list[tuple[str, dict[str, Any]]] = [
    ("cancel_consumer", {"queue": {}}),
    ("cancel_consumer", {"queue": ["x"]}),
    ("add_consumer", {"queue": {}}),
    ("pool_grow", {"n": "x"}),
    ("pool_shrink", {"n": {}}),
    ("autoscale", {"max": 0, "min": 0}),
    ("revoke", {"task_id": ["\ud800", 5, None, "no id"], "terminate": True, "signal": "NONE"}),
    ("hello", {"from_node": {}, "revoked": {"\ud800": 1}}),
    ("rate_limit", {"task_name": "phoenix.containers", "rate_limit": "0/h"}),
    ("election", {"id": {}, "topic": [], "action": 1}),
    ("none such", {}),
]


def said(body: Any) -> dict[str, Any]:
    properties = {"delivery_tag": str(uuid4()), "delivery_info": {"exchange": "x", "routing_key": ""}}
    coding = {"content-type": "application/json", "content-encoding": "utf-8"}
    return {"body": json.dumps(body), "headers": {}, "properties": properties, **coding}


def whatever() -> Iterator[bytes]:
    yield from UNREADABLE
    command: dict[str, Any] = {"method": "ping", "arguments": {}, "destination": None}
    for garbage in GARBAGE:
        yield json.dumps(said(garbage)).encode()
        for field in ("body", "content-type", "content-encoding", "headers", "properties"):
            yield json.dumps(said(command) | {field: garbage}).encode()
        for field in ("method", "arguments", "destination", "pattern", "matcher", "reply_to"):
            yield json.dumps(said(command | {field: garbage})).encode()


def test_what_is_no_command_and_no_news_ends_no_worker(
    product: Product, redis_client: redis.Redis, start_worker: StartWorker
) -> None:
    worker = start_worker("phoenix_worker", product.environ(), flags=("--without-mingle",))
    wait_for(lambda: redis_client.pubsub_numpat() >= 2)
    with other_app("asks", product.redis_url) as app:

        def listens() -> Any:
            return app.control.ping(timeout=0.5, limit=1)

        for channel in (COMMANDS, GOSSIP):
            for one in whatever():
                redis_client.publish(channel, one)
        wait_for(listens)
        for method, arguments in SENSELESS:
            app.control.broadcast(method, arguments)
        wait_for(listens)
    for queue in (QUEUE, UPKEEP_QUEUE):
        item = pushed()
        item["properties"]["delivery_info"]["routing_key"] = queue
        assert end_of(redis_client, push(redis_client, item))["status"] == "SUCCESS"
    assert worker.running()
    assert "Unrecoverable" not in worker.log()
