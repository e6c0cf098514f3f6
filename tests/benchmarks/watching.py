"""The watcher: how late the end of a Proxmox job is acted on, and how often Proxmox is asked, by length and number.

The jobs are starts of containers that stand there stopped; each length and number has a template of its own, since
that is what the watcher learns by. Lateness is from the end of Proxmox's task to the moment at which our task has gone
on and noted it: noticing, waking and running again are all in it.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from tests.benchmarks.site import site
from tests.support.product import container, template

if TYPE_CHECKING:
    from phoenix_producer import EnsureResult
    from tests.benchmarks.report import Report
    from tests.benchmarks.site import Site

_NUMBERS = (1, 10, 100)
_LENGTHS = (0.1, 0.3, 2.0, 30.0)
_ROUNDS = 4
_LONG_ROUNDS = 3


def watcher(report: Report) -> None:
    """Jobs of 0.1, 0.3, 2 and 30 s, 1, 10 and 100 at once, first time and learned."""
    _measure(report, _LENGTHS, _ROUNDS)


def watcher_long(report: Report) -> None:
    """The same for jobs of 600 s: twenty minutes and more."""
    _measure(report, (600.0,), _LONG_ROUNDS)


def _measure(report: Report, lengths: tuple[float, ...], rounds: int) -> None:
    groups = [(length, number) for length in lengths for number in _NUMBERS]
    entries: dict[int, dict[str, Any]] = {}
    containers: dict[tuple[float, int], list[int]] = {}
    first = 1000
    for position, group in enumerate(groups):
        entries[900 + position] = template(900 + position)
        containers[group] = list(range(first, first + group[1]))
        entries |= {ctid: container(ctid, 900 + position) for ctid in containers[group]}
        first += group[1]
    with site(entries) as bench:
        bench.pace(create=0.0, clone=0.0)
        # The simulator forgets the oldest of more requests, and they are counted here.
        bench.product.simulator.set(bench.product.simulator.pve, max_requests=10_000_000)
        bench.ensure_all([ctid for group in groups for ctid in containers[group]], state="stopped")
        for length in lengths:
            for ctid in (ctid for number in _NUMBERS for ctid in containers[length, number]):
                bench.product.simulator.set(bench.product.simulator.pve.ct(ctid), start_secs=length)
            for number in _NUMBERS:
                for turn in range(rounds):
                    name = "first" if turn == 0 else "learned" if turn == rounds - 1 else ""
                    _round(report, bench, containers[length, number], length, name)


def _round(report: Report, bench: Site, ctids: list[int], length: float, name: str) -> None:
    bench.product.producer.ensure_many(ctids, state="stopped").wait(timeout=3600)
    offset = time.time() - time.monotonic()
    before = len(bench.product.simulator.intervals("vzstart"))
    calls = len(bench.product.calls())
    results = list(bench.product.producer.ensure_many(ctids).wait(timeout=3600))
    looks = sum(_asks_for_a_task(*call) for call in bench.product.calls()[calls:]) / len(ctids)
    begun = bench.product.simulator.intervals("vzstart")[before:]
    ends = {interval.upid: (interval.end or 0.0) + offset for interval in begun}
    late = sorted(1000 * (noted - ends[upid]) for upid, noted in map(_noted, results))
    if not name:
        return
    allowed = 1000 * max(0.015, min(0.025 * length, 0.05))
    reach = f"≤ {allowed:g}" if name == "learned" and len(ctids) == 1 else ""
    note = f"max {late[-1]:.0f} ms, {looks:.1f} calls a job"
    what = f"{len(ctids)} of {length:g} s, {name}: p50"
    report.add("watcher", what, statistics.median(late), "ms", reach=reach, note=note)


def _asks_for_a_task(method: str, path: str) -> bool:
    return method == "GET" and "/tasks/" in path and path.endswith("/status")


def _noted(result: EnsureResult) -> tuple[str, float]:
    (start,) = [step for step in result.steps if step.name == "start"]
    return start.upid or "", start.started + start.seconds
