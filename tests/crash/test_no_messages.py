"""What anybody may have pushed on our queues: each item is answered where it can be, and ends no worker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phoenix_producer.contract import QUEUE
from phoenix_worker.durable.message_form import id_of, message, objection
from tests.support.publishing import other_app
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from tests.support.product import Product

pytestmark = pytest.mark.crash

GARBAGE = [None, 0, -1, 1.5, True, "", "²", "x" * 300, [], [[103]], {}, {"ctid": 103}, [103, {}, {}]]
TYPED_VALUES: list[Any] = [
    {"__type__": "uuid", "__value__": {"hex": str(uuid4())}},
    {"__type__": "bytes", "__value__": 5},
    {"__type__": [], "__value__": 5},
]
"""What kombu makes objects of, or fails of in any way."""
DEEP = json.loads("[" * 500 + "]" * 500)
UNREADABLE: dict[str, Callable[[str], str]] = {
    "cut off": lambda text: text[:-20],
    "a number of many digits": lambda text: text.replace('"py"', "9" * 5000),
    "brackets in brackets": lambda text: text.replace('"py"', "[" * 5000 + "]" * 5000),
}
"""What is done to the text of a message that no parser takes any more; its id can still be read."""
OPTIONAL = ["eta", "expires", "timelimit", "retries", "group", "chord", "stamps", "parent_id", "shadow", "origin"]
TYPED = '{"__type__": "uuid", "__value__": {"hex": "no uuid"}}'


def good(task_id: str, *args: Any) -> dict[str, Any]:
    return message("phoenix.ensure", QUEUE, task_id, *args)


def answer(client: redis.Redis, task_id: str) -> dict[str, Any]:
    key = f"celery-task-meta-{task_id}"
    wait_for(lambda: client.exists(key))
    told: dict[str, Any] = json.loads(str(client.get(key)))
    return told


def parts(item: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """All places of a message in which something else may stand."""
    return [(place, key) for place in (item, item["headers"], item["properties"]) for key in place]


def test_items_that_are_no_messages_are_answered_and_end_no_worker(product: Product, redis_client: redis.Redis) -> None:
    worker = product.start_worker()
    told = {}
    unsendable = '[[103], {}, {"callbacks": [{"task": "os.system"}]}]'
    for body in ('{"ctid": 103}', "[[103]]", "[103, {}, {}]", "not json", unsendable):
        task_id = str(uuid4())
        item = good(task_id) | {"body": body}
        item["properties"]["body_encoding"] = None
        redis_client.lpush(QUEUE, json.dumps(item))
        told[body] = task_id
    for missing in ("content-type", "properties", "headers"):
        task_id = str(uuid4())
        item = good(task_id, 103)
        del item[missing]
        redis_client.lpush(QUEUE, json.dumps(item))
        told[missing] = task_id
    late = good(str(uuid4()), 103)
    late["headers"]["eta"] = "2030-01-01T00:00:00"
    for raw in ("!!!", "", "[]", "null", TYPED, json.dumps(late), b"\xff\xfe"):
        redis_client.lpush(QUEUE, raw)
    unreadable: dict[str, str] = {}
    for what, change in UNREADABLE.items():
        task_id = str(uuid4())
        redis_client.lpush(QUEUE, change(json.dumps(good(task_id, 103))))
        unreadable[what] = task_id
    for task_id in unreadable.values():
        (failure,) = answer(redis_client, task_id)["result"]["exc_message"]
        assert failure["message"].startswith("Not a message that can be run: it is not JSON")
    for task_id in (*told.values(), late["headers"]["id"]):
        end = answer(redis_client, task_id)
        assert end["status"] == "FAILURE"
        failure = end["result"]["exc_message"][0]
        assert failure["cause"] == "bad-request"
        assert failure["message"].startswith("Not a message that can be run: `")
        assert failure["request_id"] == task_id
    assert product.calls() == []
    assert product.ensure(900).outcome == "created"
    assert worker.running()
    assert "Traceback" not in worker.log()
    assert worker.log().count(" is refused: ") == 15 + len(UNREADABLE)


def test_a_uuid_that_celery_is_given_is_an_id(product: Product, redis_client: redis.Redis) -> None:
    """It was refused without an answer, since kombu writes it as an object."""
    product.start_worker()
    with other_app("sender", product.redis_url) as app:
        for place in ("phoenix.containers", "phoenix.refused"):
            task_id: Any = uuid4()
            app.send_task(place, task_id=task_id, queue=QUEUE)
            status = "SUCCESS" if place == "phoenix.containers" else "FAILURE"
            assert answer(redis_client, str(task_id))["status"] == status


def test_no_field_of_a_message_can_end_a_worker(product: Product, redis_client: redis.Redis) -> None:
    """Every field of a message in turn is missing, or is something else; whatever is asked, it is refused or done."""
    worker = product.start_worker()
    asked = 0
    for number, (_, key) in enumerate(parts(good("", 99))):
        for garbage in (..., *GARBAGE, TYPED_VALUES[1], DEEP):
            item = good(str(uuid4()), 99)
            place = parts(item)[number][0]
            if garbage is ...:
                del place[key]
            else:
                place[key] = garbage
            redis_client.lpush(QUEUE, json.dumps(item))
            asked += 1
    fields = [(field, garbage) for field in OPTIONAL for garbage in GARBAGE]
    for field, garbage in (*fields, *(("x-other", one) for one in (*TYPED_VALUES, DEEP))):
        item = good(str(uuid4()), 99)
        item["headers"][field] = garbage
        redis_client.lpush(QUEUE, json.dumps(item))
        asked += 1
    for depth in range(930, 980, 10):  # some of it can be read, and not be written again
        redis_client.lpush(QUEUE, json.dumps(good("@")).replace('"@"', "[" * depth + "]" * depth))
    redis_client.publish("/0.celery.pidbox", "[]")  # where commands to workers come from
    assert asked > 300
    wait_for(lambda: redis_client.llen(QUEUE) == 0)
    assert product.ensure(900).outcome == "created"
    assert worker.running()
    assert "Unrecoverable" not in worker.log()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(json_values, st.data())
def test_judging_an_item_never_fails(value: Any, data: st.DataObject) -> None:
    assert objection(value)
    item = good("id", 103)
    place, key = data.draw(st.sampled_from(parts(item)))
    place[key] = value
    objection(item)


def test_a_message_of_protocol_1_is_answered_under_the_id_of_its_body() -> None:
    """It was answered under another one, which the sender did not wait for."""
    first = good("correlation") | {"body": json.dumps({"task": "phoenix.ensure", "id": "its own", "eta": "x"})}
    first["headers"], first["properties"]["body_encoding"] = {}, None
    assert id_of(first) == "its own"
    assert id_of(first | {"body": "{"}) == "correlation"
    assert id_of(first | {"properties": []}) is None


def test_what_celery_clients_send_is_taken() -> None:
    assert objection(good("id", 103)) is None
    first = good("id", 103) | {"body": json.dumps({"task": "phoenix.ensure", "id": "id", "args": [103], "kwargs": {}})}
    first["headers"], first["properties"]["body_encoding"] = {}, None
    assert objection(first) is None, "protocol 1"
