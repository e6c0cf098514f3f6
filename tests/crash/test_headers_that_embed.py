"""A message embeds nothing beside the places that are looked at: Celery has what it embeds, and the state of its run,
under the names of headers, and takes whatever else the third part of a body names for headers too."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from phoenix_producer.contract import QUEUE
from tests.crash.test_embedded_messages import HASH, READ, end_of, is_quiet, push, pushed, signature, why
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    import redis

    from tests.support.product import Product

pytestmark = pytest.mark.crash

PRIVATE = signature("phoenix.copy", 103, HASH, 555)
LISTED = ("callbacks", "errbacks", "chain")
STATE: dict[str, Any] = {
    "id": "V:log",
    "task": "phoenix.copy",
    "retries": 3,
    "group": "jobs",
    "phoenix_job": "x",
    "stamps": {},
    "args": [103, HASH, 555],
}


@pytest.mark.parametrize("body", [{}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
def test_headers_embed_nothing(body: dict[str, Any], product: Product, redis_client: redis.Redis) -> None:
    """A private task under these names was run, without the checks that its job makes."""
    product.start_worker()
    for name in (*LISTED, "chord"):
        item = pushed(READ, **body)
        item["headers"][name] = [PRIVATE] if name in LISTED else PRIVATE
        assert "are embedded in `body`" in why(redis_client, item)
    wait_for(lambda: is_quiet(redis_client))
    assert not list(redis_client.scan_iter("phoenix:t:*-copy"))
    assert product.calls() == []


def test_a_body_embeds_nothing_else(product: Product, redis_client: redis.Redis) -> None:
    """Its `id` was the job's, and with it a key of another."""
    product.start_worker()
    for name, value in STATE.items():
        item = pushed()
        item["body"] = base64.b64encode(json.dumps([[], {}, {name: value}]).encode()).decode()
        assert "and nothing else is" in why(redis_client, item)
    wait_for(lambda: is_quiet(redis_client))
    assert not redis_client.exists("phoenix:t:V:log", "phoenix:job:V:log")


ODD: dict[str, Any] = {
    "stamped_headers": ["queue"],
    "stamps": {"queue": "celery"},
    "is_eager": True,
    "called_directly": True,
    "delivery_info": 3,
    "hostname": {},
    "args": [1],
    "_protected": 1,
    "get": 1,
    "traceparent": "00-1-2-03",
}


def test_what_celery_reads_from_other_headers_does_not_count(product: Product, redis_client: redis.Redis) -> None:
    product.start_worker()
    for name, value in ODD.items():
        item = pushed(READ, callbacks=[signature(READ)])
        item["headers"][name] = value
        assert end_of(redis_client, push(redis_client, item))["status"] == "SUCCESS", name
    wait_for(lambda: is_quiet(redis_client))


def test_nor_does_it_in_protocol_1(product: Product, redis_client: redis.Redis) -> None:
    product.start_worker()
    for name, value in ODD.items():
        task_id = str(uuid4())
        body = {"task": READ, "id": task_id, name: value, "args": [], "kwargs": {}}
        coded = base64.b64encode(json.dumps(body).encode()).decode()
        redis_client.lpush(QUEUE, json.dumps(pushed() | {"headers": {"id": "V:log"}, "body": coded}))
        assert end_of(redis_client, task_id)["status"] == "SUCCESS", name
    wait_for(lambda: is_quiet(redis_client))
    assert not redis_client.exists("phoenix:t:V:log", "phoenix:job:V:log")


@pytest.mark.parametrize("name", ["shadow", "root_id", "parent_id", "lang", "origin", "argsrepr", "group_index"])
def test_a_header_of_another_type_is_refused(name: str, product: Product, redis_client: redis.Redis) -> None:
    """A list as `shadow` ended in Celery, and nobody was answered. In a chord, a number without sense as `group_index`
    failed in Redis, after its task was answered as done."""
    product.start_worker()
    for value in ([[1]], {"a": uuid4().hex}, True, *([-1, 10**400] if name == "group_index" else [])):
        item = pushed()
        item["headers"][name] = value
        assert f"`{name}` must be" in why(redis_client, item)
    wait_for(lambda: is_quiet(redis_client))
