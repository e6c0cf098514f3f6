"""What grows with the work, and what stays flat: one curve each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog.loading import Defaults, load
from tests.benchmarks.site import site
from tests.support.product import container, template

if TYPE_CHECKING:
    from tests.benchmarks.report import Report

_CONTAINERS = 50


def queued(report: Report) -> None:
    """10 to 5,000 requests at once for containers that are right: rate, memory and messages for each."""
    counts = (10, 100, 1000, 5000)
    entries = {900: template()} | {ctid: container(ctid) for ctid in range(100, 100 + _CONTAINERS)}
    rate = report.curve("queued-rate", "Requests for what is right", x="requests at once", y="answered per second")
    memory = report.curve("queued-memory", "Memory while they are answered", x="requests at once", y="MB")
    each = report.curve("queued-cost", "Cost of one request", x="requests at once", y="number")
    with site(entries) as bench:
        bench.pace(create=0.0, clone=0.0)
        bench.ensure_all(list(range(100, 100 + _CONTAINERS)))
        for count in counts:
            commands, messages = bench.redis_commands(), bench.messages()
            took = bench.ensure_all([100 + number % _CONTAINERS for number in range(count)])
            rate.add("one worker", count, count / took)
            memory.add("worker", count, bench.memory_mb())
            memory.add("Redis", count, bench.redis_kb() / 1024)
            each.add("Redis commands", count, (bench.redis_commands() - commands) / count)
            each.add("messages", count, (bench.messages() - messages) / count)
            note = f"worker {bench.memory_mb():.0f} MB, Redis {bench.redis_kb() / 1024:.0f} MB"
            report.add("queued", f"{count} at once", count / took, "/s", note=note)


def made(report: Report) -> None:
    """10 to 1,000 new containers of four templates, with a Proxmox that takes no time: what we and its API cost."""
    counts = (10, 100, 1000)
    rate = report.curve("made-rate", "New containers, Proxmox taking no time", x="containers at once", y="per second")
    each = report.curve("made-cost", "Cost of one new container", x="containers at once", y="number")
    entries: dict[int, dict[str, Any]] = {900 + number: template(900 + number) for number in range(4)}
    entries |= {ctid: container(ctid, 900 + ctid % 4) for ctid in range(1000, 1000 + sum(counts))}
    with site(entries) as bench:
        bench.pace(create=0.0, clone=0.0)
        bench.ensure_all([900, 901, 902, 903])
        first = 1000
        for count in counts:
            commands, messages, calls = bench.redis_commands(), bench.messages(), len(bench.product.calls())
            took = bench.ensure_all(list(range(first, first + count)))
            first += count
            rate.add("one worker", count, count / took)
            each.add("Redis commands", count, (bench.redis_commands() - commands) / count)
            each.add("messages", count, (bench.messages() - messages) / count)
            each.add("Proxmox calls", count, (len(bench.product.calls()) - calls) / count)
            report.add("made", f"{count} at once", count / took, "/s", note=f"worker {bench.memory_mb():.0f} MB")


def templates(report: Report, count: int = 40, seconds: float = 0.3) -> None:
    """40 clones of 1 to 4 templates; the bound is the longest lane and one start."""
    curve = report.curve("templates", f"{count} clones of {seconds:g} s", x="templates", y="seconds")
    for number in (1, 2, 3, 4):
        entries: dict[int, dict[str, Any]] = {900 + one: template(900 + one) for one in range(number)}
        entries |= {ctid: container(ctid, 900 + ctid % number) for ctid in range(100, 100 + 2 * count)}
        with site(entries) as bench:
            bench.pace(create=0.0, clone=seconds, start=seconds)
            bench.ensure_all(list(range(900, 900 + number)))
            bench.ensure_all(list(range(100, 100 + count)))
            took = bench.ensure_all(list(range(100 + count, 100 + 2 * count)))
        bound = -(-count // number) * seconds + seconds
        curve.add("learned", number, took)
        curve.add("bound", number, bound)
        report.add(
            "templates", f"{count} clones of {number}, ÷ bound", took / bound, note=f"{took:.1f} s of {bound:.1f}"
        )


def workers(report: Report, count: int = 1000) -> None:
    """Requests for what is right with 1 to 4 workers on this machine's cores."""
    curve = report.curve("workers", "Requests for what is right", x="workers", y="answered per second")
    entries = {900: template()} | {ctid: container(ctid) for ctid in range(100, 100 + _CONTAINERS)}
    for number in (1, 2, 3, 4):
        with site(entries, workers=number) as bench:
            bench.pace(create=0.0, clone=0.0)
            bench.ensure_all(list(range(100, 100 + _CONTAINERS)))
            took = bench.ensure_all([100 + one % _CONTAINERS for one in range(count)])
            memory = bench.memory_mb()
        curve.add("all together", number, count / took)
        report.add("workers", f"{number}", count / took, "/s", note=f"{memory:.0f} MB together")


def catalog(report: Report) -> None:
    """12 to 10,000 containers in the catalog: loading it, and the cost of one request."""
    loading = report.curve("catalog-loading", "Loading the catalog", x="containers", y="seconds")
    memory = report.curve("catalog-memory", "Memory of one worker", x="containers", y="MB")
    rate = report.curve("catalog-rate", "Requests for what is right", x="containers in the catalog", y="per second")
    for count in (12, 100, 1000, 10_000):
        entries = {900: template()} | {ctid: container(ctid) for ctid in range(1000, 1000 + count)}
        with site(entries) as bench:
            began = time.monotonic()
            load(bench.product.catalog, Defaults(node="pve1"))
            took = time.monotonic() - began
            bench.pace(create=0.0, clone=0.0)
            wanted = list(range(1000, 1010))
            bench.ensure_all(wanted)
            answered = 200 / bench.ensure_all(wanted * 20)
            loading.add("one load", count, took)
            memory.add("worker", count, bench.memory_mb())
            rate.add("one worker", count, answered)
            note = f"worker {bench.memory_mb():.0f} MB, {answered:.0f} requests/s"
            report.add("catalog", f"{count} containers, loading", took, "s", note=note)
