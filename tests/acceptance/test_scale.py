"""A whole catalog at once, over four levels of templates, with the parallelism that lanes and nodes allow.

More of it: `PHOENIX_SCALE=200 make test ARGS="-n0 -s tests/acceptance/test_scale.py"` prints its numbers.
"""

from __future__ import annotations

import os
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product
    from tests.support.proxmox import Interval

COUNT = int(os.environ.get("PHOENIX_SCALE", "16"))
CLONE_SECONDS, HELD, LEAVES, CAPACITY = 0.2, 600.0, 4, 4
ROOT, LEVELS = 900, {901: 900, 902: 901, 903: 901, **{904 + leaf: 902 + leaf % 2 for leaf in range(LEAVES)}}
"""900 ← 901 ← 902, 903 ← the leaves, which the containers are cloned from."""


@pytest.mark.long
def test_all_of_a_catalog_is_made_as_fast_as_its_lanes_allow(product: Product) -> None:
    """The first clone of each leaf is held until all lanes are at work, so that slow workers are no reason to fail."""
    clones = {ctid: container(ctid, 904 + ctid % LEAVES) for ctid in range(1000, 1000 + COUNT)}
    product.declare({ROOT: template(), **{ctid: container(ctid, source) for ctid, source in LEVELS.items()}, **clones})
    pve = product.simulator.pve
    pve.ct_secs |= {"clone": CLONE_SECONDS, "create": CLONE_SECONDS}
    product.start_worker(PHOENIX_NODE_CAPACITY=str(CAPACITY))
    everything = product.producer.containers().wait(timeout=60)
    assert everything == sorted(clones)
    first, others = everything[:LEAVES], everything[LEAVES:]
    assert {str(one.outcome) for one in product.producer.ensure_many(first).wait(timeout=120)} == {"created"}
    pve.ct_secs["clone"] = HELD
    requests = product.producer.ensure_many(others)
    wait_for(lambda: len(running(product)) == min(LEAVES, CAPACITY), timeout=120)
    assert {one.guest for one in running(product)} == {str(904 + leaf) for leaf in range(LEAVES)}, "one of each lane"
    pve.ct_secs["clone"] = CLONE_SECONDS
    product.simulator.do(pve.hurry)
    began = time.monotonic()
    results = requests.wait(timeout=60 + 5 * COUNT)
    took = time.monotonic() - began
    assert {str(result.outcome) for result in results} == {"created"}
    made = product.simulator.intervals("vzclone")
    assert sorted(one.made or 0 for one in made) == sorted([*LEVELS, *clones]), "each once"
    for source in {ROOT, *LEVELS}:
        lane = [one for one in made if one.guest == str(source)]
        assert all((one.end or 0.0) <= following.start for one, following in pairwise(lane)), f"lane {source}"
    ideal = CLONE_SECONDS * (len(others) / LEAVES - 1)
    calls = len(product.calls()) / len(made)
    told = f"{len(others)} containers in {took:.1f} s; lanes alone {ideal:.1f} s; {calls:.1f} calls for each made"
    print(told)  # noqa: T201 - for who runs it by hand


def running(product: Product) -> list[Interval]:
    """The clones that Proxmox is making now."""
    return [one for one in product.simulator.intervals("vzclone") if one.end is None]
