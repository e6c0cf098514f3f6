"""What the ledger tells at a scrape. Each worker tells the same: take `max`, not `sum`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from redis import RedisError

from phoenix_producer.client.record import number
from phoenix_producer.contract import QUEUE, RESUME_QUEUE, UPKEEP_QUEUE
from phoenix_producer.plain_text import encodable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from phoenix_worker.durable.ledger import Counts, Ledger

SPENT_ON = {"upid": "proxmox", "template": "proxmox", "sleep": "time"}
SPENT_ON |= {kind: kind for kind in ("lock", "job", "address", "retry")}
"""What the time of a parked task is spent on."""
_PRIORITIES = ("", "\x06\x163", "\x06\x166", "\x06\x169")
"""kombu keeps a list for each priority; these are their names' ends."""


class LedgerCollector:
    """What the ledger tells at a scrape, in two round trips. `templates` are the CTIDs that have a lane just now."""

    def __init__(self, ledger: Ledger, templates: Callable[[], Iterable[int]] = tuple) -> None:
        self._ledger = ledger
        self._templates = templates

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read it. A Redis that does not answer is told, and is no error of the scrape."""
        up = GaugeMetricFamily("phoenix_redis_up", "Whether Redis answers this worker.")
        try:
            families = list(self._read())
        except RedisError:
            families = []
        up.add_metric((), float(bool(families)))
        yield from (up, *families)

    def _read(self) -> Iterator[GaugeMetricFamily]:
        lists = {queue: [queue + end for end in _PRIORITIES] for queue in (QUEUE, UPKEEP_QUEUE, RESUME_QUEUE)}
        counts = self._ledger.counts([name for names in lists.values() for name in names])
        yield _gauge("phoenix_workers", "Workers with a live heartbeat.", None, {"": counts.workers})
        yield _gauge("phoenix_queue_workers", "Those of them that take from a queue.", "queue", counts.takers)
        yield _gauge(
            "phoenix_set_aside_tasks",
            "Tasks whose record cannot be handled; `phoenix-lxc cancel` ends them.",
            None,
            {"": counts.set_aside},
        )
        yield _gauge(
            "phoenix_parked_tasks", "Parked tasks: they wait, and hold no slot.", "on", _by_what(counts.parked)
        )
        yield _gauge("phoenix_lock_queue_length", "Tasks that wait for a lock.", "lock", counts.waiting)
        yield from self._lanes(counts)
        waiting = {queue: sum(counts.queued[name] for name in names) for queue, names in lists.items()}
        yield _gauge("phoenix_queue_length", "Messages that no worker has fetched.", "queue", waiting)

    def _lanes(self, counts: Counts) -> Iterator[GaugeMetricFamily]:
        """Tell of each template's lock, also while nobody has it."""
        locks = {str(ctid): f"ct/{ctid}" for ctid in self._templates()}
        waiting = {ctid: float(counts.waiting.get(lock, 0)) for ctid, lock in locks.items()}
        yield _gauge("phoenix_lane_queue_length", "Tasks that wait for their turn at a template.", "template", waiting)
        held = {ctid: counts.held.get(lock, 0.0) for ctid, lock in locks.items()}
        text = "For how long the turn at a template has been one task's; 0: nobody has it."
        yield _gauge("phoenix_lane_held_seconds", text, "template", held)


def _by_what(parked: dict[str, str]) -> dict[str, float]:
    counted = dict.fromkeys(SPENT_ON.values(), 0.0)
    for kind, count in parked.items():
        what = SPENT_ON.get(kind, kind)
        counted[what] = counted.get(what, 0.0) + number(count, 0.0)
    return counted


def _gauge(name: str, text: str, label: str | None, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label] if label else None)
    for value, measured in values.items():
        family.add_metric((encodable(value),) if label else (), measured)
    return family
