"""Redis, or what stands before it, is in trouble for a while: each job ends well, and nothing is made twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from phoenix_producer import Producer
from tests.support.erring_redis import ErringRedis
from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.commands.demo.embedded import RedisServer
    from tests.support.product import Product

TEMPLATES, CONTAINERS = (900, 901), range(101, 113)
ENOUGH = 80
"""Commands that are refused before it is over."""

pytestmark = [pytest.mark.crash, pytest.mark.long]


@pytest.fixture
def before_it(shared_redis: RedisServer) -> Iterator[ErringRedis]:
    proxy = ErringRedis(shared_redis.port)
    yield proxy
    proxy.close()


@pytest.mark.parametrize("share", [1.0, 0.4])
@pytest.mark.parametrize(
    "error",
    [
        "CLUSTERDOWN The cluster is down",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "MISCONF Errors writing to the AOF file: No space left on device",
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    ],
)
def test_every_job_ends_well(product: Product, before_it: ErringRedis, error: str, share: float) -> None:
    clones = {ctid: container(ctid, TEMPLATES[ctid % len(TEMPLATES)]) for ctid in CONTAINERS}
    product.declare({**{ctid: template(ctid) for ctid in TEMPLATES}, **clones})
    product.simulator.pve.ct_secs |= {"create": 0.3, "clone": 0.7}
    workers = [product.start_worker(name, PHOENIX_REDIS_URL=before_it.url) for name in ("w1", "w2")]
    with Producer(product.redis_url) as producer:
        handles = [producer.ensure(ctid) for ctid in CONTAINERS]
        wait_for(lambda: sum(one.end is not None for one in product.simulator.intervals("vzclone")) > 1)
        with before_it.says(error, share):
            wait_for(lambda: before_it.refused >= ENOUGH)
        assert {str(one.wait(timeout=120).outcome) for one in handles} == {"created"}
    made = Counter(one.made for kind in ("vzcreate", "vzclone") for one in product.simulator.intervals(kind))
    assert made == dict.fromkeys([*TEMPLATES, *CONTAINERS], 1), "each once"
    assert all(worker.running() for worker in workers)
    assert "Redis does not answer" in "".join(worker.log() for worker in workers)
    assert not [worker.log() for worker in workers if "Traceback" in worker.log()]
