"""The whole product against Proxmox's own time, with the baselines beside it on the same simulator."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.benchmarks import beside
from tests.benchmarks.site import site, until_answered
from tests.support.product import container, template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.report import Report
    from tests.benchmarks.site import Site

_START = 1.0
_COPIES = 300
_BASELINES = 1000
"""The first CTID of the baselines' containers, which no catalog has."""


def clones(report: Report) -> None:
    """Wall time of 10 and 50 clones of one template ÷ Proxmox's own: all clones, one start; baselines at 10."""
    for seconds, reach in ((2.0, "≤ 1.05"), (0.3, "≤ 1.15")):
        entries = {900: template()} | {ctid: container(ctid) for ctid in range(100, 180)}
        with site(entries) as bench:
            bench.pace(clone=seconds, start=_START, create=0.2)
            bench.product.ensure(900)
            _round(report, bench, f"10 of {seconds:g} s, cold", range(100, 110), seconds)
            _round(report, bench, f"10 of {seconds:g} s, learned", range(110, 120), seconds, reach)
            _round(report, bench, f"50 of {seconds:g} s, learned", range(120, 170), seconds, reach)
            _baselines(report, bench, seconds)


def _round(report: Report, bench: Site, name: str, ctids: Sequence[int], seconds: float, reach: str = "") -> None:
    ideal = len(ctids) * seconds + _START
    before = len(bench.product.calls())
    took = bench.ensure_all(list(ctids))
    calls = (len(bench.product.calls()) - before) / len(ctids)
    report.add("clones", name, took / ideal, reach=reach, note=f"{took:.1f} s of {ideal:.1f}; {calls:.1f} calls each")


def lanes(report: Report, count: int = 20, seconds: float = 2.0) -> None:
    """Wall time of 20 clones of a template with two lanes ÷ with one; and while the second is still to be made."""
    ctids, more = range(100, 100 + count), range(150, 150 + count)
    one = {900: template()} | {ctid: container(ctid, 900) for ctid in ctids}
    two = {901: template(901, lanes=2)} | {200 + ctid: container(200 + ctid, 901) for ctid in (*ctids, *more)}
    with site(one | two, PHOENIX_COPY_CTIDS="9100-9109") as bench:
        bench.pace(clone=seconds, start=_START, create=0.2)
        bench.ensure_all([900, 901])
        alone = bench.ensure_all(list(ctids))
        making = bench.ensure_all([200 + ctid for ctid in ctids])
        both = bench.ensure_all([200 + ctid for ctid in more])
    what = f"{count} clones of {seconds:g} s, two lanes ÷ one"
    report.add("lanes", what, both / alone, reach="≤ 0.55", note=f"{both:.1f} s of {alone:.1f}")
    report.add("lanes", f"{what}, the second made meanwhile", making / alone, note=f"{making:.1f} s of {alone:.1f}")


def _baselines(report: Report, bench: Site, seconds: float, count: int = 10) -> None:
    ideal = count * seconds + _START
    methods = {"script, one by one": beside.script, "Celery lock and retry": beside.retrying}
    if beside.ANSIBLE:
        methods["Ansible"] = beside.ansible
    else:
        report.say("clones", "Ansible is not installed: pip install ansible, and it is measured too")
    for number, (name, method) in enumerate(methods.items()):
        first = _BASELINES + 100 * number
        took = method(bench, 900, range(first, first + count))
        report.add("clones", f"{count} of {seconds:g} s: {name}", took / ideal, note=f"{took:.1f} s of {ideal:.1f}")


def calls(report: Report) -> None:
    """Proxmox API calls for a new container, and for one that is right."""
    entries = {900: template()} | {ctid: container(ctid) for ctid in range(100, 112)}
    with site(entries) as bench:
        bench.pace(clone=0.2, create=0.2)
        bench.product.ensure(900)
        bench.product.ensure(100)
        new = [_calls_of(bench, ctid) for ctid in range(101, 112)]
        right = [_calls_of(bench, ctid) for ctid in range(101, 112)]
    for name, breakdowns, reach in (("a new container", new, "≤ 8"), ("one that is right", right, "≤ 2")):
        median = sorted(breakdowns, key=Counter.total)[len(breakdowns) // 2]
        told = ", ".join(f"{count} {name}" for name, count in sorted(median.items()))
        report.add("calls", f"for {name}, median", median.total(), reach=reach, note=told)


def _calls_of(bench: Site, ctid: int) -> Counter[str]:
    before = len(bench.product.calls())
    bench.product.ensure(ctid)
    return Counter(f"{method} {_kind_of(path)}" for method, path in bench.product.calls()[before:])


def _kind_of(path: str) -> str:
    words = path.strip("/").split("/")
    return "task" if "tasks" in words else "/".join(word for word in words[2:] or words if not word.isdecimal())


def unchanged(report: Report, count: int = 200) -> None:
    """Ensures of what is right per second ÷ Celery's own empty task per second, in the same worker."""
    entries = {900: template()} | {ctid: container(ctid) for ctid in range(100, 110)}
    with site(entries) as bench:
        bench.pace(clone=0.05, create=0.05)
        bench.ensure_all(list(range(100, 110)))
        pairs = [(_unchanged_rate(bench, count), _empty_rate(bench, count)) for _ in range(5)]
    ratio = statistics.median(ours / empty for ours, empty in pairs)
    ours, empty = (statistics.median(side) for side in zip(*pairs, strict=True))
    report.add("unchanged", "÷ empty Celery tasks", ratio, reach="≥ 0.25", note=f"{ours:.0f}/s, {empty:.0f}/s")


def _unchanged_rate(bench: Site, count: int) -> float:
    return count / bench.ensure_all([100 + number % 10 for number in range(count)])


def _empty_rate(bench: Site, count: int) -> float:
    began = time.monotonic()
    until_answered(bench.client, [bench.client.plainly("celery.accumulate") for _ in range(count)])
    return count / (time.monotonic() - began)


def duplicates(report: Report, count: int = 1000) -> None:
    """1,000 requests at once for a container without its template, next to one request for such a one."""
    entries: dict[int, dict[str, Any]] = {}
    for ctid in range(_COPIES, _COPIES + 3):
        entries |= {600 + ctid: template(600 + ctid), ctid: container(ctid, 600 + ctid)}
    with site(entries) as bench:
        bench.pace(create=1.5, clone=2.0, start=_START)
        bench.ensure_all([_COPIES])  # only warms up
        alone = bench.ensure_all([_COPIES + 1])
        ctid, simulator = _COPIES + 2, bench.product.simulator
        before, started, began = len(simulator.intervals("vzclone")), simulator.intervals("vzstart"), time.monotonic()
        handles = bench.product.producer.ensure_many([ctid] * count)
        held = list[int]()
        made = simulator.intervals("vzstart")[len(started) :]
        while not (held and made and made[0].end is not None):
            keys = bench.client.redis.scan_iter("phoenix:runs:*", count=10_000)
            held.append(sum(bench.client.redis.scard(key) for key in keys))
            time.sleep(0.01)
            made = simulator.intervals("vzstart")[len(started) :]
        results = handles.wait(timeout=600)
        took = time.monotonic() - began
        made_in_all = len(simulator.intervals("vzclone")) - before
    note = f"{took:.1f} s, one alone {alone:.1f} s; {len(results)} results"
    report.add("duplicates", f"{count} at once, over one alone", took - alone, "s", reach="≤ 3", note=note)
    report.add("duplicates", "clones", made_in_all, reach="≤ 1")
    report.add("duplicates", "slots held while Proxmox works, median", statistics.median(held), reach="≤ 1")
