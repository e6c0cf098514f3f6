"""Redis is killed, and its append-only file cut anywhere, also within a command: what is asked again is made once."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phoenix_producer import EnsureFailed, Producer
from tests.crash.outages import operator, setting
from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer import EnsureResult, Handle
    from phoenix_worker.commands.demo.embedded import RedisServer
    from tests.support.product import Product

CONTAINERS = range(101, 109)

pytestmark = [pytest.mark.crash, pytest.mark.long]


def cut(server: RedisServer, lost: int) -> None:
    """Take so many bytes from the end of what it has written last."""
    with operator(server) as client:
        directory = Path(setting(client, "dir")) / "appendonlydir"
    server.kill()
    (written,) = directory.glob("*.incr.aof")
    os.truncate(written, max(0, written.stat().st_size - lost))
    server.start()


def ends(handle: Handle[EnsureResult]) -> None:
    """Wait until it ends, be it that Redis has forgotten it."""
    with suppress(EnsureFailed):
        handle.wait(timeout=60)


@pytest.mark.parametrize("lost", [1, 7, 333, 4_099, 20_011, 65_537])
def test_what_is_asked_again_is_made_once(product: Product, redis_server: RedisServer, lost: int) -> None:
    product.declare({900: template(), **{ctid: container(ctid) for ctid in CONTAINERS}})
    product.simulator.pve.ct_secs |= {"create": 0.3, "clone": 0.5}
    workers = [product.start_worker(name, PHOENIX_REDIS_URL=redis_server.url) for name in ("w1", "w2")]
    with Producer(redis_server.url) as producer:
        handles = [producer.ensure(ctid) for ctid in CONTAINERS]
        wait_for(lambda: sum(one.end is not None for one in product.simulator.intervals("vzclone")) > 1)
        cut(redis_server, lost)
        for handle in handles:
            ends(handle)
        again = [producer.ensure(ctid).wait(timeout=60).outcome for ctid in CONTAINERS]
        assert set(again) <= {"created", "updated", "unchanged"}
        with operator(redis_server) as client:
            wait_for(lambda: not client.exists("phoenix:capacities"))
            assert not list(client.scan_iter("phoenix:lock:*"))
    made = Counter(one.made for kind in ("vzcreate", "vzclone") for one in product.simulator.intervals(kind))
    assert made == dict.fromkeys([900, *CONTAINERS], 1)
    assert [product.status(ctid) for ctid in CONTAINERS] == ["running"] * len(CONTAINERS)
    assert all(worker.running() for worker in workers)
    assert not [worker.log() for worker in workers if "Traceback" in worker.log()]
