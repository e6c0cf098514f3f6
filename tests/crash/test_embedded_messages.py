"""What a message embeds is held to what may be pushed: whatever it is, its job ends and nothing else happens."""

from __future__ import annotations

import base64
import json
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phoenix_producer.client.link import Link
from phoenix_producer.client.record import JOB_HEADER
from phoenix_producer.contract import QUEUE, RESUME_QUEUE, UPKEEP, UPKEEP_QUEUE
from phoenix_worker.durable.message_form import message
from tests.crash.test_no_messages import TYPED_VALUES
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from tests.support.product import Product

pytestmark = pytest.mark.crash

READ = "phoenix.containers"
HASH = "x" * 16
PRIVATE = ["phoenix.verify", "phoenix.copy", "phoenix.start", "phoenix.configure", "phoenix.refuse"]
NAMES = [READ, "phoenix.plan", *PRIVATE, "celery.group", "celery.chain", "celery.map", "os.system", ""]


def pushed(task: str = READ, *args: Any, **embed: Any) -> dict[str, Any]:
    item = message(task, QUEUE, str(uuid4()), *args)
    item["body"] = base64.b64encode(json.dumps([args, {}, embed]).encode()).decode()
    return item


def signature(task: str = READ, *args: Any, **options: Any) -> dict[str, Any]:
    return {"task": task, "args": list(args), "kwargs": {}, "options": options, "immutable": True}


def with_keyword(task: str, name: str) -> dict[str, Any]:
    """A message with a keyword that Python's own calls have too."""
    queue = UPKEEP_QUEUE if task in UPKEEP else QUEUE
    item = message(task, queue, str(uuid4()))
    item["body"] = base64.b64encode(json.dumps([[], {name: 1}, {}]).encode()).decode()
    return item


def push(client: redis.Redis, item: dict[str, Any]) -> str:
    client.lpush(item["properties"]["delivery_info"]["routing_key"], json.dumps(item))
    return str(item["headers"]["id"])


def end_of(client: redis.Redis, task_id: str) -> dict[str, Any]:
    key = f"celery-task-meta-{task_id}"
    wait_for(lambda: client.exists(key))
    told: dict[str, Any] = json.loads(str(client.get(key)))
    return told


def why(client: redis.Redis, item: dict[str, Any]) -> str:
    """Push what is refused, and return why."""
    end = end_of(client, push(client, item))
    assert end["status"] == "FAILURE"
    failure = end["result"]["exc_message"][0]
    assert failure["cause"] == "bad-request"
    return str(failure["message"])


def open_jobs(client: redis.Redis) -> Iterator[str]:
    for key in client.scan_iter("phoenix:job:*"):
        if str(key).count(":") == 2 and client.hget(str(key), "state") == "open":
            yield str(key)


def has_ended(client: redis.Redis, job: str) -> bool:
    return client.hget(f"phoenix:job:{job}", "state") == "done"


def is_quiet(client: redis.Redis) -> bool:
    """All jobs have ended, nothing is due, no queue but ours was ever written to."""
    queues = [str(key) for key in client.scan_iter("*", _type="list") if not str(key).startswith("phoenix:")]
    return not [*open_jobs(client), *queues] and not client.exists("phoenix:due")


def test_what_is_embedded_is_held_to_what_may_be_pushed(product: Product, redis_client: redis.Redis) -> None:
    worker = product.start_worker()
    for place in ("callbacks", "errbacks", "chain"):
        for name in PRIVATE:
            embed: dict[str, Any] = {place: [signature(name, 103, HASH, 555)]}
            told = why(redis_client, pushed(READ, **embed))
            assert f"`{place}` names {name}, which is not a public task" in told
    assert "`chord` names phoenix.start" in why(redis_client, pushed(chord=signature("phoenix.start", 103, HASH)))
    private = signature("phoenix.copy", 103, HASH, 555)
    nested = signature(link=[signature("phoenix.start", 103, HASH)])
    assert "has `link` of its own" in why(redis_client, pushed(callbacks=[nested]))
    kinds = {"group": {"tasks": [private]}, "chord": {"header": [private], "body": private}, "xmap": {"task": private}}
    for kind, keywords in kinds.items():
        disguised = signature() | {"subtask_type": kind, "kwargs": keywords}
        for place in ("callbacks", "errbacks", "chain"):
            embedded: dict[str, Any] = {place: [disguised]}
            assert f"`{place}` is a '{kind}'" in why(redis_client, pushed(READ, **embedded))
    assert "not a UUID" in why(redis_client, pushed(callbacks=[signature(task_id="V:log")]))
    assert "not a public task" in why(redis_client, pushed("celery.map"))
    assert "`body` may have" in why(redis_client, pushed("phoenix.plan", "x" * 1_300_000))
    assert "surrogate" in why(redis_client, pushed("phoenix.plan", "\ud800"))
    late = pushed()
    late["headers"]["expires"] = "2020-01-01T00:00:00+00:00"
    assert "`expires` is not supported" in why(redis_client, late)
    again = pushed()
    again["headers"]["retries"] = 1
    assert "the workers' own" in why(redis_client, again)
    for task in (READ, "phoenix.ensure", "phoenix.nodes", "phoenix.drain", "phoenix.cancel"):
        for name in ("self", "task", "function", "model"):
            assert "Not a valid" in why(redis_client, with_keyword(task, name))
    for name in ("self", "task"):
        named = signature(task_id=str(uuid4())) | {"kwargs": {name: 1}}
        assert end_of(redis_client, push(redis_client, pushed(callbacks=[named])))["status"] == "SUCCESS"
        assert "Not a valid" in str(end_of(redis_client, named["options"]["task_id"])["result"])
    for value in TYPED_VALUES:
        assert "a CTID is a number" in why(redis_client, pushed("phoenix.ensure", value))
    no_ids: list[Any] = [None, 7, [], {}, True]
    for job in no_ids:
        assert "the id of a job is a text" in why(redis_client, pushed("phoenix.cancel", job))
    wait_for(lambda: is_quiet(redis_client))
    assert product.calls() == []
    assert worker.running()
    assert "Traceback" not in worker.log()


@pytest.mark.parametrize("task_id", ["5B0E2F0A-9A3E-4D6B-8A69-0D0C54A3C002", "V:log", "my own"])
@pytest.mark.parametrize("task", [READ, "phoenix.ensure", "phoenix.cancel"])
def test_an_id_that_is_no_key_is_refused_under_itself(
    task: str, task_id: str, product: Product, redis_client: redis.Redis
) -> None:
    product.start_worker()
    item = pushed(task)
    item["headers"]["id"] = task_id
    assert "is not a UUID in lower case" in why(redis_client, item)
    assert not redis_client.exists(f"phoenix:t:{task_id}", f"phoenix:job:{task_id}")
    wait_for(lambda: is_quiet(redis_client))


def test_options_of_what_is_embedded_do_not_count(product: Product, redis_client: redis.Redis) -> None:
    """Its queue is ours, and a policy of retries that holds a slot for hours is not taken."""
    product.start_worker()
    wild = {"queue": "x", "routing_key": "celery", "expires": -5, "countdown": 3600, "priority": 9}
    policy = {"retry_policy": {"max_retries": None, "interval_start": 3600}, "queue": "phoenix:jobs"}
    answers = []
    for options in (wild, policy):
        callbacks = [signature(READ, **options, task_id=str(uuid4())) for _ in range(16)]
        assert end_of(redis_client, push(redis_client, pushed(callbacks=callbacks)))["status"] == "SUCCESS"
        answers += [callback["options"]["task_id"] for callback in callbacks]
    for task_id in answers:
        assert end_of(redis_client, task_id)["status"] == "SUCCESS"
    wait_for(lambda: is_quiet(redis_client))
    assert product.ensure(900).outcome == "created"


CHANGED: list[dict[str, Any]] = [
    {"ignore_result": True}, {"group": str(uuid4())}, {"group_index": 3}, {"group": "half of a pair: \ud800"},
]  # fmt: skip
"""Headers by which a copy of a message would be run in another way: without a result, say. The last is no text."""
IN_THE_LEDGER = ["phoenix.start", "phoenix.future", "celery.accumulate", "celery.map", "celery.backend_cleanup"]
"""Tasks that a message names which says that it is in the ledger. Celery's own claim nothing before they run."""


def test_another_message_under_the_id_of_a_request_is_not_run(product: Product, redis_client: redis.Redis) -> None:
    handle = product.producer.ensure(900)
    (genuine,) = redis_client.lrange(QUEUE, 0, -1)
    item = json.loads(str(genuine))
    others = [message("phoenix.destroy", QUEUE, handle.id, 900)]
    for name in IN_THE_LEDGER:
        forged = pushed(name, {"outcome": "forged"}, callbacks=[signature("phoenix.copy", 103, HASH, 555)])
        forged["headers"] |= {JOB_HEADER: handle.id, "id": handle.id}
        others.append(forged)
    others += [item | {"headers": item["headers"] | changed} for changed in CHANGED]
    for one in others:
        redis_client.rpush(QUEUE, json.dumps(one))
    product.start_worker()
    assert handle.wait(timeout=60).outcome == "created"
    wait_for(lambda: not redis_client.llen(QUEUE))
    assert not [call for call in product.calls() if "555" in call[1] or call[0] == "DELETE"]
    names = {str(redis_client.hget(str(key), "name")) for key in redis_client.scan_iter("phoenix:t:*")}
    assert not names & {"phoenix.copy", *IN_THE_LEDGER}


def test_a_recorded_request_that_workers_do_not_know_is_answered(product: Product, redis_client: redis.Redis) -> None:
    """Celery answered it itself, whatever the ledger had under its id. A step is left to newer workers."""
    step = pushed("phoenix.future")
    step["headers"][JOB_HEADER] = str(uuid4())
    push(redis_client, step)
    with closing(Link(product.redis_url)) as link:
        link.send("phoenix.future", request := uuid4(), [103], {})
    product.start_worker()
    told = end_of(redis_client, str(request))["result"]["exc_message"][0]
    assert "workers do not know phoenix.future; if newer ones do, upgrade them" in told["message"]
    wait_for(lambda: is_quiet(redis_client))
    assert not redis_client.exists(f"celery-task-meta-{step['headers']['id']}", "phoenix:aside")


def test_each_request_of_a_chain_ends_also_when_nobody_wants_its_result(
    product: Product, redis_client: redis.Redis
) -> None:
    """The job of such a link stayed open for ever, since only its result would have ended it."""
    product.start_worker()
    jobs = []
    for links in (0, 1, 2):
        item = pushed(chain=[signature(task_id=str(uuid4())) for _ in range(links)])
        own = pushed(chain=[signature(task_id=item["headers"]["id"])] * links)  # the same one as the next link
        own["headers"]["id"] = str(uuid4())
        for one in (item, own):
            one["headers"]["ignore_result"] = True
            jobs.append(push(redis_client, one))
    replaced = pushed("phoenix.ensure", 900, chain=[signature()])
    replaced["headers"]["ignore_result"] = True
    jobs.append(push(redis_client, replaced))
    for job in jobs:
        wait_for(partial(has_ended, redis_client, job))
    wait_for(lambda: is_quiet(redis_client))


def test_the_failure_of_a_chain_is_no_answer_to_another_request(product: Product, redis_client: redis.Redis) -> None:
    """Celery answers for each link that will not run, under the id that the sender has given it."""
    handle, alone = product.producer.ensure(900), str(uuid4())
    genuine = redis_client.lpop(QUEUE)
    links = [signature(task_id=handle.id), signature(task_id=alone)]
    with redis_client.pubsub(ignore_subscribe_messages=True) as answers:  # type: ignore[no-untyped-call]  # of redis-py
        answers.subscribe(f"celery-task-meta-{handle.id}")
        chain = push(redis_client, pushed("phoenix.plan", "no CTID", chain=list(reversed(links))))
        product.start_worker()
        assert [end_of(redis_client, one)["status"] for one in (chain, alone)] == ["FAILURE"] * 2
        redis_client.lpush(QUEUE, str(genuine))
        assert handle.wait(timeout=60).outcome == "created"
        told = wait_for(lambda: answers.get_message(timeout=1))
    assert told is not None
    assert json.loads(told["data"])["status"] == "SUCCESS"


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=5), some, max_size=3),
    max_leaves=6,
)
OPTIONS = st.dictionaries(
    st.sampled_from(
        ["queue", "task_id", "expires", "countdown", "retry_policy", "link", "chord", "priority", "routing_key", "eta"]
    ),
    ANY | st.sampled_from(["celery", "phoenix:jobs", RESUME_QUEUE]) | st.uuids().map(str),
    max_size=4,
)
SIGNATURES = st.fixed_dictionaries(
    {
        "task": st.sampled_from(NAMES),
        "args": st.lists(ANY, max_size=2),
        "kwargs": st.dictionaries(st.text(max_size=4), ANY, max_size=2),
        "options": OPTIONS,
    },
    optional={
        "immutable": ANY,
        "subtask_type": ANY | st.sampled_from(["group", "chain", "chord", "xmap", "chunks"]),
        "chord_size": ANY,
    },
)
TAKEN = st.builds(lambda one: signature(task_id=str(one)), st.uuids())
EMBEDS = st.fixed_dictionaries(
    {},
    optional={
        "callbacks": st.lists(SIGNATURES, max_size=3) | st.lists(TAKEN, max_size=2),
        "errbacks": st.lists(SIGNATURES, max_size=2) | st.lists(TAKEN, max_size=2),
        "chain": st.lists(SIGNATURES, max_size=3) | st.lists(TAKEN, max_size=3),
        "chord": SIGNATURES | TAKEN,
    },
)


def test_whatever_is_embedded_each_job_ends_and_nothing_else_is_done(
    product: Product, redis_client: redis.Redis
) -> None:
    worker = product.start_worker()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(embed=EMBEDS, grouped=st.booleans(), ignored=st.booleans())
    def embed_it(embed: dict[str, Any], *, grouped: bool, ignored: bool) -> None:
        item = pushed(READ, **embed)
        item["headers"]["ignore_result"] = ignored
        if grouped:
            item["headers"] |= {"group": str(uuid4()), "group_index": 0}
        job = push(redis_client, item)
        wait_for(lambda: redis_client.hget(f"phoenix:job:{job}", "state") in {"done", "failed"})

    embed_it()
    wait_for(lambda: is_quiet(redis_client))
    assert all(call[0] == "GET" for call in product.calls())
    assert worker.running()
    assert product.ensure(900).outcome == "created", "`tick` still ticks"
    assert not redis_client.exists("phoenix:aside")
