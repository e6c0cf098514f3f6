"""The watcher: how late the end of a Proxmox job is acted on, and how often Proxmox is asked, by length and number.

The jobs are starts of containers that stand there stopped; each length and number has a template of its own, since
that is what the watcher learns by. Lateness is from the end of Proxmox's task to the moment at which our task has gone
on and noted it: noticing, waking and running again are all in it.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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
    """The same for jobs of 600 s, all 111 in the same half hour."""
    _measure(report, (600.0,), _LONG_ROUNDS, at_once=len(_NUMBERS))


def _measure(report: Report, lengths: tuple[float, ...], rounds: int, at_once: int = 1) -> None:
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
            with ThreadPoolExecutor(at_once) as groups_at_once:
                rounds_of = partial(_rounds, report, bench, length, rounds)
                list(groups_at_once.map(rounds_of, [containers[length, number] for number in _NUMBERS]))


def _rounds(report: Report, bench: Site, length: float, rounds: int, ctids: list[int]) -> None:
    for turn in range(rounds):
        name = "first" if turn == 0 else "learned" if turn == rounds - 1 else ""
        _round(report, bench, ctids, length, name)


def _round(report: Report, bench: Site, ctids: list[int], length: float, name: str) -> None:
    bench.product.producer.ensure_many(ctids, state="stopped").wait(timeout=3600)
    offset = time.time() - time.monotonic()
    before = len(bench.product.simulator.intervals("vzstart"))
    calls = len(bench.product.calls())
    results = list(bench.product.producer.ensure_many(ctids).wait(timeout=3600))
    looked_at = Counter(_looked_at(*call) for call in bench.product.calls()[calls:])
    looks = sum(looked_at[ctid] for ctid in ctids) / len(ctids)
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


def _looked_at(method: str, path: str) -> int | None:
    """Name the CTID whose start was asked for: `/nodes/N/tasks/UPID:…:vzstart:CTID:…/status`."""
    _, found, rest = path.partition(":vzstart:")
    return int(rest.partition(":")[0]) if found and method == "GET" and path.endswith("/status") else None


def _noted(result: EnsureResult) -> tuple[str, float]:
    (start,) = [step for step in result.steps if step.name == "start"]
    return start.upid or "", start.started + start.seconds
