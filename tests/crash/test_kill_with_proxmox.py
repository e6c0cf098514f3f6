"""`kill -9` between what Proxmox was asked and what the journal says: nothing is asked twice, nothing is lost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.crash import ARMED, KILL_AT
from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product

ONE_OF_EACH = {"vzcreate": 1, "vztemplate": 1, "vzclone": 1, "vzstart": 1, "resize": 1}


@pytest.mark.crash
@pytest.mark.parametrize("when", ["intent-recorded", "effect-done", "effect-journalled"])
@pytest.mark.parametrize("step", ["create", "seal", "clone", "configure", "resize-rootfs", "start"])
def test_killed_around_a_request_to_proxmox(product: Product, owned_keys: list[str], step: str, when: str) -> None:
    owned_keys += ["points", ARMED]
    product.declare({900: template(), 103: container(103, storage_size_gb=16)})
    product.simulator.pve.ct_secs |= {"create": 0.2, "clone": 0.2, "template": 0.2}
    product.redis.set(ARMED, 1)
    doomed = product.start_worker("w1", "tests.support.crashing_worker", **{KILL_AT: f"{when}/{step}"})
    handle = product.producer.ensure(103)
    wait_for(lambda: not doomed.running() or handle.done(), timeout=60)
    if when == "intent-recorded" and step == "configure":
        assert doomed.running(), "a configuration is looked at anew instead of being adopted"
        return
    assert not doomed.running(), f"{when} was not reached in {step}"
    product.start_worker("w2")
    result = handle.wait(timeout=60)
    assert (result.outcome, result.templates_built) == ("created", (900,))
    assert Counter(interval.kind for interval in product.simulator.intervals()) == ONE_OF_EACH
    assert product.status(103) == "running"
    assert {change.key for change in result.changes} >= {"net0", "rootfs"}
    assert product.ensure(103).outcome == "unchanged"
