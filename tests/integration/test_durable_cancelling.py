"""Jobs that nobody wants any more, in real workers on a real Redis, without Proxmox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_worker.durable.ledger import Ledger
from tests.support.asking import Asking, asking_until_clean
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.worker import StartWorker, WorkerProcess

EFFECTS = ["begun:*", "ended:*", "remote:*"]


@pytest.fixture
def client(redis_url: str, owned_keys: list[str]) -> Iterator[Asking]:
    with asking_until_clean(redis_url, owned_keys, *EFFECTS) as client:
        yield client


@pytest.fixture
def worker(start_worker: StartWorker, redis_url: str) -> WorkerProcess:
    return start_worker("tests.support.durable_app", {"DURABLE_REDIS": redis_url, "DURABLE_TTL": "1"}, concurrency=2)


@pytest.mark.usefixtures("worker")
def test_a_cancelled_job_ends_wherever_it_waits_and_its_lock_passes_on(client: Asking) -> None:
    owner, waiter, last = (client.ask("t.locked", number, "lane", f"job{number}") for number in range(3))
    wait_for(lambda: client.redis.zcard("phoenix:lock:lane") == 3)
    cancel(client, str(waiter.id))
    with pytest.raises(Exception, match="not wanted"):
        waiter.get(timeout=60)
    cancel(client, str(owner.id))
    with pytest.raises(Exception, match="not wanted"):
        owner.get(timeout=60)
    client.redis.set("remote:job2", 1)
    assert last.get(timeout=60) == 2
    wait_for(lambda: client.redis.hget(f"phoenix:job:{last.id}", "state") == "done")
    assert cancel(client, str(last.id)) == "over"


@pytest.mark.usefixtures("worker")
def test_cancelling_one_of_several_requesters_detaches_only_that_one(client: Asking) -> None:
    first, leader, follower = (client.ask("t.shared", "same") for _ in range(3))
    wait_for(lambda: client.redis.zcard("phoenix:lock:same") == 2)
    wait_for(lambda: [*client.redis.scan_iter("phoenix:job:*:followers")])
    (key,) = client.redis.scan_iter("phoenix:job:*:followers")
    by_id = {str(result.id): result for result in (first, leader, follower)}
    led = by_id[str(key).split(":")[2]]
    (following,) = (by_id[str(task_id)] for task_id in client.redis.smembers(str(key)))
    assert cancel(client, str(led.id)) == "detached"
    client.redis.set("remote:same", 1)
    with pytest.raises(Exception, match="not wanted"):
        led.get(timeout=60)
    assert following.get(timeout=60) == 2


@pytest.mark.usefixtures("worker")
def test_a_run_that_nobody_wants_any_more_stops(client: Asking) -> None:
    results = [client.ask("t.shared", "same") for _ in range(3)]
    wait_for(lambda: [*client.redis.scan_iter("phoenix:job:*:followers")])
    for result in results:
        cancel(client, str(result.id))
    for result in results:
        with pytest.raises(Exception, match="not wanted"):
            result.get(timeout=60)


@pytest.mark.usefixtures("worker")
def test_celerys_revoke_cancels_the_job(client: Asking) -> None:
    result = client.ask("t.locked", 1, "lane", "never")
    wait_for(lambda: client.redis.exists("begun:lane"))
    client.app.control.revoke(result.id)
    with pytest.raises(Exception, match="revoked"):
        result.get(timeout=60)
    wait_for(lambda: not client.redis.exists("phoenix:lock:lane"))


def cancel(client: Asking, task_id: str) -> str:
    """What `phoenix-lxc cancel` has a worker do, straight on the ledger."""
    ledger = Ledger(client.redis, lambda _: None)
    verdict, _ = ledger.cancel(task_id, {"message": "not wanted", "cause": "cancelled", "remedy": ""})
    return verdict
