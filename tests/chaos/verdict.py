"""What must be true when the chaos is over."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model.marker import read_marker
from tests.chaos import clock
from tests.chaos.cluster import COPIES, LANES
from tests.support.redis import LASTING_KEYS, leaked_keys
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis import Redis

    from tests.support.proxmox import Interval, Simulator

_OF_JOBS = ("phoenix:lock:*", "phoenix:reservations", "phoenix:due", "phoenix:open")
"""Keys that end with the jobs that they are for."""


def check(simulator: Simulator, redis: Redis, ctids: Iterable[int], templates: Iterable[int], foreign: Any) -> int:
    """Raise AssertionError for the first thing that is not so. Returns how many copies of templates were made."""
    copies = _copies(simulator)
    everything = [*ctids, *copies]
    _all_are_there_once(simulator, everything)
    for template in [*templates, *copies]:
        assert simulator.pve.ct(template).template, f"{template} is no template"
        _never_at_once([one for one in simulator.intervals("vzclone") if one.guest == str(template)])
        builds = [one for one in simulator.intervals() if template == one.made or _builds(one, template)]
        _never_at_once(builds)
    assert not simulator.pve.destroyed, "nothing had to be removed"
    assert foreign == foreigners(simulator, everything), "what is not ours was changed"
    wait_for(lambda: not [key for pattern in _OF_JOBS for key in redis.scan_iter(pattern)], timeout=30)
    wait_for(lambda: not leaked_keys(redis, [*LASTING_KEYS, clock.KEY]), timeout=30)
    return len(copies)


def foreigners(simulator: Simulator, ours: Iterable[int]) -> dict[int, tuple[Any, ...]]:
    """Everything of the containers that are not ours."""
    pve = simulator.pve
    others = [ct for ct in pve.cts if ct.vmid not in set(ours)]
    return {ct.vmid: (dict(ct.config), ct.status, ct.lock, ct.node) for ct in others}


def _copies(simulator: Simulator) -> list[int]:
    """Find the copies of templates: on no node are there more of one than it has lanes."""
    standing = [ct for ct in simulator.pve.cts if ct.vmid in COPIES]
    markers = {ct.vmid: read_marker(ct.config["description"]) for ct in standing}
    of = {ctid: marker.copy_of for ctid, marker in markers.items() if marker is not None}
    assert len(of) == len(standing), "a copy bears no marker"
    number = Counter((of[ct.vmid], ct.node) for ct in standing)
    assert all(count <= LANES for count in number.values()), f"more copies than lanes: {number}"
    return sorted(of)


def _builds(one: Interval, template: int) -> bool:
    return one.kind == "vztemplate" and one.guest == str(template)


def _all_are_there_once(simulator: Simulator, ctids: Iterable[int]) -> None:
    """By the journal of all nodes: what was made, whether it stands there or not."""
    pve = simulator.pve
    missing = [ctid for ctid in ctids if pve.ct(ctid) is None]
    assert not missing, f"missing: {missing}"
    ended_well = [one for one in simulator.intervals() if pve.tasks[one.upid].get("exitstatus") == "OK"]
    made = Counter(one.made for one in ended_well if one.made is not None)
    assert made == dict.fromkeys(ctids, 1), f"made more or less than once: {made - Counter(ctids)}"


def _never_at_once(intervals: list[Interval]) -> None:
    for before, after in pairwise(sorted(intervals, key=lambda one: one.start)):
        assert before.end is not None, before
        assert before.end <= after.start, f"at the same time: {before}, {after}"
