"""`make bench`: the engine and the whole product against what lies below them, as ratios measured in one run.

chains      durable chains of four tiny tasks per second ÷ plain Celery's (reach: 0.7)
hand-over   from one owner's end to the next one's begin, 200 waiting (reach: p50 5 ms, p95 15 ms)
parked      bytes in Redis for each of 1,000 parked tasks (reach: 6 KB)
clones      wall time of 10 clones of one template ÷ Proxmox's own time: all clones, one start (reach: 1.05)
calls       Proxmox API calls for a new container, and for one that is right (reach: 8 and 2)
unchanged   ensure of what is right per second ÷ Celery's empty task per second (reach: 0.25)
duplicates  1,000 requests at once for a container without its template: one clone, all answered (reach: the job + 3 s)

Names of parts as arguments measure those alone: `make bench ARGS="clones duplicates"`.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import chain

from phoenix_producer import Producer
from phoenix_worker.commands.embedded import private_redis
from tests.support.asking import Asking, asking
from tests.support.product import Product, add_os_template, container, template
from tests.support.proxmox import Simulator
from tests.support.worker import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLONES = 10
CREATE_SECONDS = 1.5
CLONE_SECONDS = 2.0
START_SECONDS = 1.0
COPIES = 300
"""The first of three containers, each of which has a template of its own."""


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


def clones(product: Product, _: Asking) -> None:
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
    product.producer.ensure_many(range(100, 100 + CLONES)).wait(timeout=600)
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


def duplicates(product: Product, _: Asking, count: int = 1000) -> None:
    """Next to one request for the same kind of container, in the same run; the first of all only warms up."""
    pve = product.simulator.pve
    product.simulator.set(pve, start_secs=START_SECONDS)
    product.simulator.do(pve.ct_secs.update, {"create": CREATE_SECONDS, "clone": CLONE_SECONDS})
    alone = 0.0
    for ctid in (COPIES, COPIES + 1):
        began = time.monotonic()
        product.ensure(ctid)
        alone = time.monotonic() - began
    ctid, before, began = COPIES + 2, len(product.simulator.intervals("vzclone")), time.monotonic()
    handles = product.producer.ensure_many([ctid] * count)
    sent = time.monotonic() - began
    held = []
    while not (made := product.simulator.intervals("vzclone")[before:]) or made[0].end is None:
        held.append(sum(product.redis.scard(key) for key in product.redis.scan_iter("phoenix:runs:*", count=10_000)))
        time.sleep(0.01)
    results = handles.wait(timeout=600)
    took = time.monotonic() - began
    clones = len(product.simulator.intervals("vzclone")) - before
    outcomes = dict(Counter(str(result.outcome) for result in results))
    (started,) = [one.end for one in product.simulator.intervals("vzstart") if one.guest == str(ctid)]
    answering = began + took - (started or 0.0)
    report("duplicates", f"{len(results)} results {outcomes}, {clones} clone; sent in {sent:.1f} s")
    report("duplicates", f"{took:.1f} s, one alone {alone:.1f} s: the job + {took - alone:.1f} s")
    report("duplicates", f"answered in {answering:.1f} s: {count / answering:.0f}/s")
    report("duplicates", f"slots held while Proxmox works: p50 {statistics.median(held):.0f}, max {max(held)}")


def catalog() -> dict[int, dict[str, Any]]:
    entries = {900: template()}
    entries |= {ctid: container(ctid) for first in (100, 200) for ctid in range(first, first + CLONES)}
    for ctid in range(COPIES, COPIES + 3):
        entries |= {600 + ctid: template(600 + ctid), ctid: container(ctid, 600 + ctid)}
    return entries


OF_THE_ENGINE: dict[str, Callable[[Asking], None]] = {"chains": chains, "hand_over": hand_over, "parked": parked}
OF_THE_PRODUCT: dict[str, Callable[[Product, Asking], None]] = {
    "clones": clones,
    "unchanged": unchanged,
    "duplicates": duplicates,
}


def main() -> None:
    known = [*OF_THE_ENGINE, *OF_THE_PRODUCT]
    wanted = sys.argv[1:] or known
    if strange := set(wanted) - set(known):
        sys.exit(f"There is no part {', '.join(sorted(strange))}. Parts: {' '.join(known)}")
    report("load", f"{os.getloadavg()[0]:.1f} before, on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder, private_redis(Path(folder) / "redis") as redis:
        directory = Path(folder)
        with asking(redis.url) as client:
            if parts := [measure for name, measure in OF_THE_ENGINE.items() if name in wanted]:
                environ = {"DURABLE_REDIS": redis.url, "DURABLE_TTL": "3"}
                with worker("tests.support.durable_app", directory, environ):
                    for measure in parts:
                        measure(client)
                client.redis.flushall()
            if of_product := [measure for name, measure in OF_THE_PRODUCT.items() if name in wanted]:
                with Simulator() as simulator, Producer(redis.url) as producer:
                    add_os_template(simulator)
                    file = directory / "catalog.json"
                    product = Product(simulator, redis.url, client.redis, file, producer, None)  # type: ignore[arg-type]  # starts its own
                    product.declare(catalog())
                    with worker("phoenix_worker", directory, product.environ(PHOENIX_HEARTBEAT_TTL="3")):
                        for measure_product in of_product:
                            measure_product(product, client)


if __name__ == "__main__":
    os.environ.pop("REDIS_URL", None)
    main()
