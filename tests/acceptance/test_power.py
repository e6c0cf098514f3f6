"""After a change of power the state itself is awaited: of an HA resource, the task has only asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.scenes import done, refused
from tests.acceptance.test_converging import redeclare
from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product


def power_is_watched(product: Product) -> bool:
    return any("power/" in str(event) for event in product.redis.hkeys("phoenix:watched"))


def test_what_ha_was_only_asked_for_is_awaited(product: Product) -> None:
    pve = product.simulator.pve
    product.declare({900: template(), 103: container(103, state="stopped")})
    product.start_worker()
    product.ensure(103)
    product.simulator.set(pve, ha_delay=600.0)
    product.simulator.set(pve.ct(103), ha_state="stopped")
    for state, kind in (("running", "hastart"), ("stopped", "hastop")):
        redeclare(product, 103, state=state)
        handle = product.producer.ensure(103)
        wait_for(lambda: power_is_watched(product) or handle.done())  # noqa: B023 - waited for at once
        assert [one.kind for one in product.simulator.intervals(kind)] == [kind]
        assert not handle.done()
        assert product.status(103) != state
        product.simulator.do(pve.hurry)
        result = handle.wait(timeout=60)
        assert product.status(103) == state
        assert ("start" if state == "running" else "stop", 103) in done(result)


@pytest.mark.long
def test_a_task_that_failed_has_done_it_if_that_is_the_state(product: Product) -> None:
    """Its log says why not, as of a hook or of a clock that ran out, and the container has come up or down."""
    pve = product.simulator.pve
    product.declare({900: template(), 103: container(103, state="stopped")})
    product.start_worker()
    product.ensure(103)
    product.simulator.set(
        pve, done_all_the_same={"vzstart": "startup for container '103' failed", "vzshutdown": "container did not stop"}
    )
    for state in ("running", "stopped"):
        redeclare(product, 103, state=state)
        assert ("start" if state == "running" else "stop", 103) in done(product.ensure(103))
        assert product.status(103) == state
    product.simulator.do(pve.task_failures["vzstart"].append, "startup for container '103' failed")
    redeclare(product, 103, state="running")
    assert refused(product, 103).message.startswith(
        "Unable to start CT 103 on pve1: startup for container '103' failed"
    )
