"""How looks grow: 1,000 containers on 5 nodes whose every answer takes 20 ms."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.benchmarks.site import cpu_seconds, site
from tests.support.many import TEMPLATE, spread, stand_like
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.report import Report
    from tests.benchmarks.site import Site

_NODES = (NODE, "pve2", "pve3", "pve4", "pve5")
_FIRST = 1000
_ANSWER_SECONDS = 0.02


def size(report: Report, count: int = 1000) -> None:
    """Drift, status, plan and ensure of 1,000 containers on 5 nodes, with answers of 20 ms."""
    ctids = range(_FIRST, _FIRST + count)
    with site(spread(ctids, _NODES)) as bench:
        bench.product.ensure(TEMPLATE)
        bench.product.ensure(_FIRST)
        stand_like(bench.product, _FIRST, ctids[1:])
        pve, producer = bench.product.simulator.pve, bench.product.producer
        bench.product.simulator.set(pve, max_requests=1_000_000, answer_secs=_ANSWER_SECONDS)
        ways: dict[str, Callable[[], object]] = {
            "drift": lambda: producer.drift(()).wait(timeout=3600),
            "status": lambda: producer.status(()).wait(timeout=3600),
            "plan --all": lambda: producer.plan_all().wait(timeout=3600),
        }
        for name, look in ways.items():
            _measure(report, bench, name, count, look, seconds="≤ 8", calls="≤ 2.1")
        ensure = "ensure --all, all of them right"
        _measure(report, bench, ensure, count, lambda: bench.ensure_all(list(ctids)), calls="≤ 2.2")


def _measure(
    report: Report, bench: Site, name: str, count: int, act: Callable[[], object], *, calls: str, seconds: str = ""
) -> None:
    act()  # only warms up
    worker = bench.workers[0]
    before, used, began = len(bench.product.calls()), cpu_seconds(worker), time.monotonic()
    act()
    took, made = time.monotonic() - began, len(bench.product.calls()) - before
    used = (cpu_seconds(worker) - used) / count * 1000
    report.add(
        "size", f"{count}: {name}", took, "s", reach=seconds, note=f"{used:.1f} ms of the worker's processor each"
    )
    report.add("size", f"{count}: {name}, calls each", made / count, reach=calls)
