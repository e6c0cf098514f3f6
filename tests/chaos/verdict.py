"""What must be true when the chaos is over."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.chaos import clock
from tests.support.redis import LASTING_KEYS, leaked_keys
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis import Redis

    from tests.support.proxmox import Interval, Simulator


def check(simulator: Simulator, redis: Redis, ctids: Iterable[int], templates: Iterable[int], foreign: Any) -> None:
    """Raise AssertionError for the first thing that is not so."""
    everything = [*templates, *ctids]
    _all_are_there_once(simulator, everything)
    for template in templates:
        assert simulator.pve.ct(template).template, f"{template} is no template"
        _never_at_once([one for one in simulator.intervals("vzclone") if one.guest == str(template)])
        builds = [one for one in simulator.intervals() if template == one.made or _builds(one, template)]
        _never_at_once(builds)
    assert not simulator.pve.destroyed, "nothing had to be removed"
    assert foreign == foreigners(simulator, everything), "what is not ours was changed"
    wait_for(lambda: not leaked_keys(redis, [*LASTING_KEYS, clock.KEY]), timeout=30)


def foreigners(simulator: Simulator, ours: Iterable[int]) -> dict[int, tuple[Any, ...]]:
    """Everything of the containers that are not ours."""
    pve = simulator.pve
    others = [vmid for vmid in pve.vms if vmid not in set(ours)]
    return {ctid: (dict(pve.ct(ctid).config), pve.ct(ctid).status, pve.ct(ctid).lock) for ctid in others}


def _builds(one: Interval, template: int) -> bool:
    return one.kind == "vztemplate" and one.guest == str(template)


def _all_are_there_once(simulator: Simulator, ctids: Iterable[int]) -> None:
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
