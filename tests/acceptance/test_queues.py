"""Workers that take from some queues alone: who asks for what none of them takes is told so, and which queue it is."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.contract import QUEUE, RESUME_QUEUE, UPKEEP_QUEUE
from tests.support.cli import invoke
from tests.support.product import container, template
from tests.support.publishing import other_app
from tests.support.waiting import wait_for
from tests.support.worker import QUICK_START

if TYPE_CHECKING:
    from tests.support.product import Product
    from tests.support.worker import StartWorker


def take_from(queue: str, product: Product) -> None:
    """Have all workers take from a queue, by Celery's remote control."""
    with other_app("asks", product.redis_url) as app:
        app.control.add_consumer(queue, reply=True, timeout=10, limit=1)


@pytest.mark.long
def test_what_waits_in_a_queue_that_no_worker_takes_from_is_told(
    product: Product, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until a worker takes from it: told so by remote control, or started."""
    product.declare({900: template(), 103: container(103)})
    for name, value in product.environ().items():
        monkeypatch.setenv(name, value)
    worker = start_worker("phoenix_worker", product.environ(), flags=(*QUICK_START, "-X", UPKEEP_QUEUE))
    assert product.ensure(103).outcome == "created"
    assert list(product.redis.hvals("phoenix:queues")) == [f"{RESUME_QUEUE} {QUEUE}"]
    command = [sys.executable, "-m", "phoenix_producer", "destroy", "103", "--yes"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as asks:
        assert asks.stderr is not None
        assert asks.stderr.readline().startswith(f"No worker takes from the queue {UPKEEP_QUEUE}, where destroy 103")
        found = invoke("check")
        assert f"none takes from {UPKEEP_QUEUE}: what is requested there waits in Redis" in found.output
        take_from(UPKEEP_QUEUE, product)
        told, _ = asks.communicate(timeout=60)
    assert (asks.returncode, product.status(103)) == (0, "absent"), told
    wait_for(lambda: not product.redis.exists("phoenix:queues"))
    worker.term()
    assert worker.wait() == 0
    start_worker("phoenix_worker", product.environ(), name="w2", flags=(*QUICK_START, "-Q", RESUME_QUEUE))
    wait_for(lambda: product.redis.hvals("phoenix:queues") == [RESUME_QUEUE])
    late = invoke("plan", "103", "--timeout", "0.2")
    assert late.exit_code == 1
    assert f"No worker takes from the queue {QUEUE}, where plans waits." in late.stderr
    take_from(QUEUE, product)
    wait_for(lambda: not product.redis.exists("phoenix:open"))
