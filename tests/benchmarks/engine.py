"""The engine alone, with tiny tasks, against plain Celery on the same worker."""

from __future__ import annotations

import statistics
import time
from itertools import pairwise
from typing import TYPE_CHECKING

from celery import chain

from tests.benchmarks.site import cpu_seconds, engine_site, until_answered

if TYPE_CHECKING:
    from tests.benchmarks.report import Report
    from tests.support.asking import Asking

_IDLE_SECONDS = 10.0


def chains(report: Report, count: int = 100) -> None:
    """Durable chains of four tiny tasks per second ÷ plain Celery's."""

    def rate(client: Asking, name: str) -> float:
        began = time.monotonic()
        if name == "durable":
            results = [client.ask("t.chained") for _ in range(count)]
        else:
            links = [client.app.signature("t.plain", immutable=True, queue="phoenix.ensure") for _ in range(4)]
            results = [chain(*links).apply_async() for _ in range(count)]
        until_answered(client, results)
        return count / (time.monotonic() - began)

    with engine_site() as (client, _):
        rate(client, "plain")
        rate(client, "durable")
        pairs = [(rate(client, "durable"), rate(client, "plain")) for _ in range(5)]
    durable, plain = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    report.add("chains", "durable ÷ plain chains of four", ratio, reach="≥ 0.7", note=f"{durable:.0f}/s, {plain:.0f}/s")


def hand_over(report: Report, count: int = 200) -> None:
    """From one owner's end to the next one's begin; both are noted by the worker's clock."""
    with engine_site() as (client, _):
        until_answered(client, [client.ask("t.stamped", number) for number in range(count)])
        marks = [tuple(map(float, mark.split())) for mark in client.redis.lrange("stamps", 0, -1)]
    gaps = sorted(1000 * (after[1] - before[2]) for before, after in pairwise(marks))
    order = [int(mark[0]) for mark in marks]
    late = sum(1 for before, after in pairwise(order[1:]) if after < before)
    report.add("hand-over", f"{count} waiting, p50", gaps[len(gaps) // 2], "ms", reach="≤ 5")
    report.add("hand-over", f"{count} waiting, p95", gaps[int(len(gaps) * 0.95)], "ms", reach="≤ 15")
    report.add("hand-over", "out of order", late, reach="≤ 0")


def parked(report: Report, count: int = 1000) -> None:
    """All wait for a job that never ends: what they cost in Redis, and the worker's processor time meanwhile."""
    with engine_site() as (client, process):
        before = int(client.redis.info("memory")["used_memory"])
        for number in range(count):
            client.ask("t.locked", number, f"lane{number}", "never")
        while client.redis.scard("phoenix:ev:remote/never:w") < count:
            time.sleep(0.1)
        used = int(client.redis.info("memory")["used_memory"]) - before
        report.add("parked", f"{count} tasks, Redis memory each", used / count / 1024, "KB", reach="≤ 6")
        slots = sum(client.redis.scard(key) for key in client.redis.scan_iter("phoenix:runs:*", count=10_000))
        report.add("parked", "slots held", slots, reach="≤ 0")
        busy, began = cpu_seconds(process), time.monotonic()
        time.sleep(_IDLE_SECONDS)
        share = 100 * (cpu_seconds(process) - busy) / (time.monotonic() - began)
        report.add("parked", f"worker's processor time, {count} parked", share, "%", reach="≤ 1")
