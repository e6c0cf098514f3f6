"""Redis comes back without its last writes, under living workers: an AOF cut short, or a replica that was behind."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.past import Past
from tests.support.product import container, template
from tests.support.waiting import wait_for
from tests.support.worker import QUICK_START

if TYPE_CHECKING:
    from tests.support.product import Product
    from tests.support.worker import StartWorker

LONG = 600.0

pytestmark = pytest.mark.crash


class Held:
    """The first call of this kind is answered when the test lets it be."""

    def __init__(self, product: Product, method: str, path_end: str, *, holds: str = "") -> None:
        self.calls = 0
        self._simulator = product.simulator
        self._answered = asyncio.Event()
        pve = product.simulator.pve
        answer = pve._answer

        async def answering(request: Any, *rest: Any) -> Any:
            if request.method == method and request.path.endswith(path_end) and holds in request.path:
                self.calls += 1
                if self.calls == 1:
                    await self._answered.wait()
            return await answer(request, *rest)

        product.simulator.set(pve, _answer=answering)

    def let_it_be_answered(self) -> None:
        self._simulator.do(self._answered.set)


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_a_run_that_redis_does_not_know_to_have_ended_is_given_back(
    product: Product, start_worker: StartWorker, pool: str
) -> None:
    """The worker lives on, so its heartbeat tells nobody; until it gives the run back, the lane of 900 stays locked."""
    product.declare({900: template(), 103: container(103), 104: container(104)})
    product.simulator.add_template(900)
    held = Held(product, "POST", "/lxc/900/clone")
    worker = start_worker("phoenix_worker", product.environ(), concurrency=4, flags=(*QUICK_START, "--pool", pool))
    handle = product.producer.ensure(103)
    wait_for(lambda: held.calls)
    past = Past(product.redis_url)
    held.let_it_be_answered()
    assert handle.wait(timeout=60).outcome == "created"
    past.comes_back()
    wait_for(lambda: product.redis.hget(f"phoenix:job:{handle.id}", "state") == "done")
    assert product.ensure(104).outcome == "created"
    clones = Counter(one.made for one in product.simulator.intervals("vzclone"))
    assert clones == {103: 1, 104: 1}, "nothing was done twice"
    assert not product.simulator.pve.destroyed
    assert "Redis lost its last writes" in worker.log()
    assert "Traceback" not in worker.log()
    wait_for(lambda: not list(product.redis.scan_iter("phoenix:lock:*")))


def test_a_look_that_redis_takes_for_under_way_is_made_again(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    product.simulator.add_template(900)
    product.simulator.pve.ct_secs["clone"] = LONG
    held = Held(product, "GET", "/status", holds=":vzclone:")
    product.start_worker()
    handle = product.producer.ensure(103)
    wait_for(lambda: held.calls)
    past = Past(product.redis_url)
    assert product.redis.hkeys("phoenix:watch:looks")
    held.let_it_be_answered()
    wait_for(lambda: not product.redis.hkeys("phoenix:watch:looks"))
    past.comes_back()
    product.simulator.do(product.simulator.pve.hurry)
    assert handle.wait(timeout=60).outcome == "created"


@pytest.mark.parametrize("poison", ["[", "{}", json.dumps({"since": "0", "task": "x"}), "null"])
def test_a_watch_that_cannot_be_looked_at_ends_no_other(product: Product, poison: str) -> None:
    """Those who wait for it are set aside, and `cancel` ends them; what is watched beside it goes on."""
    product.declare({900: template(), 901: template(901), 103: container(103), 104: container(104, 901)})
    for ctid in (900, 901):
        product.simulator.add_template(ctid)
    product.simulator.pve.ct_secs["clone"] = LONG
    product.start_worker()
    bad = product.producer.ensure(103)
    (clone,) = wait_for(lambda: product.simulator.intervals("vzclone"))
    event = f"upid/{clone.upid}"
    wait_for(lambda: product.redis.zscore("phoenix:watch", event))
    product.redis.hset("phoenix:watched", event, poison)
    product.redis.zadd("phoenix:watch", {event: 1.0}, xx=True)
    wait_for(lambda: product.redis.zcard("phoenix:aside") == 1)
    good = product.producer.ensure(104)
    wait_for(lambda: len(product.simulator.intervals("vzclone")) == 2)
    product.simulator.do(product.simulator.pve.hurry)
    assert good.wait(timeout=60).outcome == "created"
    bad.cancel()
    wait_for(lambda: product.redis.hget(f"phoenix:job:{bad.id}", "state") == "cancelled")
    wait_for(lambda: not product.redis.hgetall("phoenix:parked"))
