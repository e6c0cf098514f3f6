"""A whole catalog at once, over four levels of templates, with the parallelism that lanes and nodes allow.

More of it: `PHOENIX_SCALE=200 make test ARGS="-n0 -s tests/acceptance/test_scale.py"` prints its numbers.
"""

from __future__ import annotations

import os
import time
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.support.product import container, template

if TYPE_CHECKING:
    from tests.support.product import Product
    from tests.support.proxmox import Interval

COUNT = int(os.environ.get("PHOENIX_SCALE", "16"))
CLONE_SECONDS, LEAVES, CAPACITY = 0.2, 4, 4
ROOT, LEVELS = 900, {901: 900, 902: 901, 903: 901, **{904 + leaf: 902 + leaf % 2 for leaf in range(LEAVES)}}
"""900 ← 901 ← 902, 903 ← the leaves, which the containers are cloned from."""


def at_once(intervals: list[Interval]) -> int:
    """The most that ran at one moment."""
    moments = sorted([(one.start, 1) for one in intervals] + [(one.end or 0.0, -1) for one in intervals])
    most = now = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most


def test_all_of_a_catalog_is_made_as_fast_as_its_lanes_allow(product: Product) -> None:
    clones = {ctid: container(ctid, 904 + ctid % LEAVES) for ctid in range(1000, 1000 + COUNT)}
    product.declare({ROOT: template(), **{ctid: container(ctid, source) for ctid, source in LEVELS.items()}, **clones})
    speed = {"clone": CLONE_SECONDS, "create": CLONE_SECONDS}
    product.simulator.do(product.simulator.pve.ct_secs.update, speed)
    product.start_worker(PHOENIX_NODE_CAPACITY=str(CAPACITY))
    everything = product.producer.containers().wait(timeout=60)
    assert everything == sorted(clones)
    began = time.monotonic()
    results = product.producer.ensure_many(everything).wait(timeout=60 + 5 * COUNT)
    took = time.monotonic() - began
    assert {str(result.outcome) for result in results} == {"created"}
    made = product.simulator.intervals("vzclone")
    assert sorted(one.made or 0 for one in made) == sorted([*LEVELS, *clones]), "each once"
    for source in {ROOT, *LEVELS}:
        lane = [one for one in made if one.guest == str(source)]
        assert all((one.end or 0.0) <= following.start for one, following in pairwise(lane)), f"lane {source}"
    assert at_once(made) == min(LEAVES, CAPACITY), "all lanes at once, as many as the node may do"
    ideal = CLONE_SECONDS * (4 + COUNT / LEAVES)  # the create, three levels of templates, and the clones of one lane
    calls = len(product.calls()) / len(made)
    told = f"{COUNT} containers in {took:.1f} s; lanes alone {ideal:.1f} s; {calls:.1f} calls for each that was made"
    print(told)  # noqa: T201 - for who runs it by hand
