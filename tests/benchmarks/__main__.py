"""`make bench`: the engine and the whole product against what lies below them, as ratios measured in one run.

chains      durable chains of four tiny tasks per second ÷ plain Celery's (reach: 0.7)
hand-over   from one owner's end to the next one's begin, 200 waiting (reach: p50 5 ms, p95 15 ms)
parked      bytes in Redis for each of 1,000 parked tasks (reach: 6 KB)
clones      wall time of 10 clones of one template ÷ Proxmox's own time: all clones, one start (reach: 1.05)
calls       Proxmox API calls for a new container, and for one that is right (reach: 8 and 2)
unchanged   ensure of what is right per second ÷ Celery's empty task per second (reach: 0.25)
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from celery import chain

from phoenix_producer import Producer
from phoenix_worker.commands.embedded import private_redis
from tests.support.asking import Asking, asking
from tests.support.product import Product, container, template
from tests.support.proxmox import Simulator
from tests.support.worker import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

CLONES = 10
CLONE_SECONDS = 2.0
START_SECONDS = 1.0


@contextmanager
def worker(app: str, directory: Path, environ: dict[str, str]) -> Iterator[WorkerProcess]:
    started = WorkerProcess(app, directory=directory, environ=environ)
    started.wait_until_ready()
    try:
        yield started
    finally:
        started.kill()


def report(name: str, text: str) -> None:
    print(f"{name:10} {text}", flush=True)  # noqa: T201 - a benchmark's output


def chains(client: Asking, count: int = 100) -> None:
    """Four links each; the durable ones are recorded, claimed, landed and finished."""

    def rate(name: str) -> float:
        began = time.monotonic()
        if name == "durable":
            results = [client.ask("t.chained") for _ in range(count)]
        else:
            links = [client.app.signature("t.plain", immutable=True, queue="phoenix.ensure") for _ in range(4)]
            results = [chain(*links).apply_async() for _ in range(count)]
        for result in results:
            result.get(timeout=120)
        return count / (time.monotonic() - began)

    rate("plain")
    rates = {name: [rate(name) for name in (name,) * 3] for name in ("durable", "plain")}
    durable, plain = (statistics.median(rates[name]) for name in ("durable", "plain"))
    report("chains", f"{durable:.0f}/s durable, {plain:.0f}/s plain: {durable / plain:.2f}")


def hand_over(client: Asking, count: int = 200) -> None:
    """Each owner notes when it begins and when it ends; the clock is that of one worker process."""
    results = [client.ask("t.stamped", number) for number in range(count)]
    for result in results:
        result.get(timeout=240)
    marks = [tuple(map(float, mark.split())) for mark in client.redis.lrange("stamps", 0, -1)]
    gaps = sorted(1000 * (after[1] - before[2]) for before, after in pairwise(marks))
    order = [int(mark[0]) for mark in marks]
    late = sum(1 for before, after in pairwise(order[1:]) if after < before)
    middle, tail = gaps[len(gaps) // 2], gaps[int(len(gaps) * 0.95)]
    report("hand-over", f"p50 {middle:.1f} ms, p95 {tail:.1f} ms, {late} out of order")


def parked(client: Asking, count: int = 1000) -> None:
    """All wait for a job that never ends."""
    before = int(client.redis.info("memory")["used_memory"])
    for number in range(count):
        client.ask("t.locked", number, f"lane{number}", "never")
    while client.redis.scard("phoenix:ev:remote/never:w") < count:
        time.sleep(0.1)
    used = int(client.redis.info("memory")["used_memory"]) - before
    report("parked", f"{used / count / 1024:.1f} KB each")


def clones(product: Product) -> None:
    """Cold, then learned: the second round clones other CTIDs of the same template."""
    product.simulator.set(product.simulator.pve, start_secs=START_SECONDS)
    product.simulator.do(product.simulator.pve.ct_secs.update, {"clone": CLONE_SECONDS})
    product.ensure(900)
    ideal = CLONES * CLONE_SECONDS + START_SECONDS
    for name, first in (("cold", 100), ("learned", 200)):
        before, began = len(product.calls()), time.monotonic()
        handles = [product.producer.ensure(ctid) for ctid in range(first, first + CLONES)]
        for handle in handles:
            handle.wait(timeout=600)
        ratio = (time.monotonic() - began) / ideal
        calls = (len(product.calls()) - before) / CLONES
        report("clones", f"{name}: {ratio:.3f} of Proxmox's own time; {calls:.1f} calls each")


def unchanged(product: Product, client: Asking, count: int = 200) -> None:
    """The empty task runs in the same worker."""
    before, began = len(product.calls()), time.monotonic()
    handles = [product.producer.ensure(100 + number % CLONES) for number in range(count)]
    for handle in handles:
        handle.wait(timeout=240)
    ours = count / (time.monotonic() - began)
    began = time.monotonic()
    results = [client.plainly("celery.accumulate") for _ in range(count)]
    for result in results:
        result.get(timeout=240)
    empty = count / (time.monotonic() - began)
    calls = (len(product.calls()) - before) / count
    report("unchanged", f"{ours:.0f}/s, empty tasks {empty:.0f}/s: {ours / empty:.2f}; {calls:.1f} calls each")


def main() -> None:
    wanted = set(sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder, private_redis(Path(folder) / "redis") as redis:
        directory = Path(folder)
        with asking(redis.url) as client:
            environ = {"DURABLE_REDIS": redis.url, "DURABLE_TTL": "3"}
            with worker("tests.support.durable_app", directory, environ):
                for measure in (chains, hand_over, parked):
                    if not wanted or measure.__name__ in wanted:
                        measure(client)
            client.redis.flushall()
            if not wanted or wanted & {"clones", "unchanged"}:
                with Simulator() as simulator, Producer(redis.url) as producer:
                    catalog = directory / "catalog.json"
                    product = Product(simulator, redis.url, client.redis, catalog, producer, None)  # type: ignore[arg-type]  # starts its own
                    entries = {ctid: container(ctid) for first in (100, 200) for ctid in range(first, first + CLONES)}
                    product.declare({900: template()} | entries)
                    with worker("phoenix_worker", directory, product.environ(PHOENIX_HEARTBEAT_TTL="3")):
                        clones(product)
                        unchanged(product, client)


if __name__ == "__main__":
    os.environ.pop("REDIS_URL", None)
    main()
