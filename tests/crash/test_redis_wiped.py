"""FLUSHALL with work under way: who waits is told what is lost, and asking again converges without any repair."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from phoenix_producer import EnsureFailed
from tests.support.asking import asking
from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product
    from tests.support.worker import StartWorker

CONTAINERS = (103, 104, 105, 106)

pytestmark = pytest.mark.crash


@pytest.mark.parametrize("under_way", ["vzcreate", "vzclone"])
def test_asking_again_converges(product: Product, under_way: str) -> None:
    """It is wiped while the template is made from its OS template, or while one of the containers is cloned."""
    product.declare({900: template(), **{ctid: container(ctid) for ctid in CONTAINERS}})
    pve = product.simulator.pve
    pve.ct_secs |= {"create": 0.5, "clone": 0.5}
    worker = product.start_worker()
    lost = [product.producer.ensure(ctid) for ctid in CONTAINERS]
    assert not any(handle.done() for handle in lost)
    wait_for(lambda: [entry for entry in product.simulator.intervals(under_way) if entry.end is None])
    product.redis.flushall()
    for handle in lost:
        with pytest.raises(EnsureFailed, match=r"Redis was emptied.* Send the request again") as failed:
            handle.wait(timeout=60)
        assert failed.value.failure.cause == "forgotten"
    ids = [handle.id if number % 2 else None for number, handle in enumerate(lost)]
    handles = [product.producer.ensure(ctid, request_id=one) for ctid, one in zip(CONTAINERS, ids, strict=True)]
    results = [handle.wait(timeout=60) for handle in handles]
    assert {result.outcome for result in results} <= {"created", "updated", "unchanged"}
    assert [product.status(ctid) for ctid in CONTAINERS] == ["running"] * len(CONTAINERS)
    made = Counter(entry.made for kind in ("vzcreate", "vzclone") for entry in product.simulator.intervals(kind))
    assert made == {900: 1, **dict.fromkeys(CONTAINERS, 1)}, "each once, whoever asked for it"
    assert len(product.simulator.intervals("vztemplate")) == 1
    assert not pve.destroyed
    assert all(product.ensure(ctid).outcome == "unchanged" for ctid in CONTAINERS)
    assert "Traceback" not in worker.log()


def test_what_runs_while_redis_is_emptied_is_answered(redis_url: str, start_worker: StartWorker) -> None:
    """Nobody was: what runs was refused each word, as if another run had taken its place."""
    worker = start_worker("tests.support.durable_app", {"DURABLE_REDIS": redis_url, "DURABLE_TTL": "1"})
    with asking(redis_url) as client:
        asked = [client.ask("t.outlives"), client.ask("t.outlives", "a word")]
        wait_for(lambda: client.redis.get("outliving") == "2")
        client.redis.flushall()
        client.redis.set("outlived", 1, ex=600)
        keys = [f"celery-task-meta-{one.id}" for one in asked]
        wait_for(lambda: client.redis.exists(*keys) == 2)
        ends = [json.loads(str(text)) for text in client.redis.mget(keys)]
        assert [end["status"] for end in ends] == ["SUCCESS", "FAILURE"]
        assert ends[0]["result"] == "done"
        assert json.loads(ends[1]["result"]["exc_message"][0])["cause"] == "forgotten"
        wait_for(lambda: client.redis.exists("phoenix:replaced"))  # whoever starts now looks for forgotten orders too
        assert client.ask("t.nap", 0, 1).get(timeout=60) == 1
        assert worker.running()
