"""What is measured: a real Redis, real worker processes, the simulator behind HTTPS, settings as by default."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phoenix_producer import Producer
from phoenix_worker.commands.demo.embedded import private_redis
from tests.support.asking import Asking, asking
from tests.support.product import Product, add_os_template
from tests.support.proxmox import Simulator
from tests.support.worker import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from celery.result import AsyncResult

_KIB = 1024
_PAGE = 4096
_TICKS = 100.0
_POLL_SECONDS = 0.002


@contextmanager
def worker(app: str, directory: Path, environ: dict[str, str], name: str = "w1") -> Iterator[WorkerProcess]:
    """Start a worker, and kill it at the end of the block."""
    started = WorkerProcess(app, directory=directory, environ=environ, name=name)
    started.wait_until_ready()
    try:
        yield started
    finally:
        started.kill()


@contextmanager
def engine_site() -> Iterator[tuple[Asking, WorkerProcess]]:
    """The engine with tiny tasks, one worker."""
    with (
        tempfile.TemporaryDirectory() as folder,
        private_redis(Path(folder) / "redis") as redis,
        asking(redis.url) as client,
        worker("tests.support.durable_app", Path(folder), {"DURABLE_REDIS": redis.url, "DURABLE_TTL": "3"}) as running,
    ):
        yield client, running


def until_answered(client: Asking, results: Iterable[AsyncResult[Any]], timeout: float = 240.0) -> None:
    """Wait until all results are stored, whose tasks must not fail.

    Not by `AsyncResult.get`: Celery 5.7's subscription misses a result once in some hundred times that many are waited
    for one after the other, and `get` then waits for ever.
    """
    keys = [client.app.backend.get_key_for_task(result.id) for result in results]  # type: ignore[attr-defined]  # Redis's
    deadline = time.monotonic() + timeout
    while int(client.redis.exists(*keys)) < len(keys):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(keys)} results have not come in {timeout:g} s")
        time.sleep(_POLL_SECONDS)


@dataclass
class Site:
    """The product, with its workers."""

    product: Product
    client: Asking
    workers: list[WorkerProcess]
    directory: Path

    def pace(self, **seconds: float) -> None:
        """Set how long the simulator's jobs take: `create`, `clone`, `start`."""
        pve = self.product.simulator.pve
        self.product.simulator.set(pve, start_secs=seconds.pop("start", 0.0))
        self.product.simulator.do(pve.ct_secs.update, seconds)

    def memory_mb(self) -> float:
        """Resident memory of the workers, in MB, all together."""
        return sum(_resident(one.pid) for one in self.workers)

    def redis_kb(self) -> float:
        return float(self.client.redis.info("memory")["used_memory"]) / _KIB

    def redis_commands(self) -> int:
        return int(self.client.redis.info("stats")["total_commands_processed"])

    def messages(self) -> int:
        """How many messages were put into queues so far."""
        pushes: dict[str, Any] = self.client.redis.info("commandstats")
        return sum(int(pushes[name]["calls"]) for name in ("cmdstat_lpush", "cmdstat_rpush") if name in pushes)

    def ensure_all(self, ctids: list[int], **options: Any) -> float:
        """Ask for all at once and wait; returns the seconds it took."""
        began = time.monotonic()
        self.product.producer.ensure_many(ctids, **options).wait(timeout=3600)
        return time.monotonic() - began


@contextmanager
def site(entries: dict[int, dict[str, Any]], *, workers: int = 1, **settings: str) -> Iterator[Site]:
    """Start all of it, on a catalog with these entries."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(private_redis(directory / "redis"))
        client = stack.enter_context(asking(redis.url))
        simulator = stack.enter_context(Simulator())
        producer = stack.enter_context(Producer(redis.url))
        add_os_template(simulator)
        file = directory / "catalog.json"
        product = Product(simulator, redis.url, client.redis, file, producer, None)  # type: ignore[arg-type]  # starts its own
        product.declare(entries)
        environ = product.environ(PHOENIX_HEARTBEAT_TTL="3", **settings)
        running = [
            stack.enter_context(worker("phoenix_worker", directory, environ, f"w{number}")) for number in range(workers)
        ]
        yield Site(product, client, running, directory)


def cpu_seconds(process: WorkerProcess) -> float:
    """Processor time of a worker's main process so far. Linux only, as `/proc` is."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / _KIB / _KIB
