"""How often Proxmox is asked: each look is there for a reason, and all of them together stay within a budget.

How often a running job is looked at depends on how evenly Proxmox takes its time: `tests/unit/test_polling.py` has
what is promised of it, and `make bench ARGS=calls` counts it. Here, where other tests run beside, it is
enough that one container of four keeps within that.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.product import OS_TEMPLATE, container, template

if TYPE_CHECKING:
    from tests.support.product import Product

NEW, UNCHANGED = 8, 2
JOBS = 2
"""Proxmox jobs that a new container takes: it is made, and started. The budget holds one look at each."""
CLONES = (103, 104, 105, 106, 107)
CREATED = (113, 114, 115, 116, 117)
SERVED = (123, 124, 125, 126, 127)
"""They get their addresses by DHCP: to see them takes one call more."""


def calls_for(product: Product, ctid: int) -> Counter[str]:
    """The requests that one ensure makes, without the ids in their paths."""
    before = len(product.calls())
    product.ensure(ctid)
    return Counter(f"{method} {_kind_of(path)}" for method, path in product.calls()[before:])


def _kind_of(path: str) -> str:
    words = path.strip("/").split("/")
    return "task" if "tasks" in words else "/".join(word for word in words[2:] or words if not word.isdecimal())


@pytest.mark.parametrize(
    ("ctids", "more"), [(CLONES, 0), (CREATED, 0), (SERVED, 1)], ids=["cloned", "created", "cloned, by DHCP"]
)
def test_a_new_container_and_one_that_is_right_stay_within_their_budgets(
    product: Product, ctids: tuple[int, ...], more: int
) -> None:
    created = {ctid: container(ctid, None, template=OS_TEMPLATE) for ctid in CREATED}
    served = {ctid: container(ctid, network_config={"bridge": "vmbr0", "ip": "dhcp"}) for ctid in SERVED}
    product.declare({900: template(), **{ctid: container(ctid) for ctid in CLONES}, **created, **served})
    product.simulator.do(product.simulator.pve.ct_secs.update, {"clone": 0.2, "create": 0.2})
    product.start_worker()
    product.ensure(900)
    product.ensure(ctids[0])
    breakdowns = [calls_for(product, ctid) for ctid in ctids[1:]]
    seen = min(one.pop("GET task") for one in breakdowns)
    assert JOBS <= seen <= 2 * JOBS, f"near two looks a job, not {seen} for {JOBS}"
    breakdowns.sort(key=Counter.total)
    median = breakdowns[len(breakdowns) // 2]
    assert median.pop("GET lxc/interfaces", 0) == more
    assert median.total() <= NEW - JOBS, median
    looks = calls_for(product, ctids[0])
    assert looks.pop("GET lxc/interfaces", 0) == more
    assert looks.total() <= UNCHANGED, looks
