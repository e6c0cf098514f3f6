"""Looks and cancelled jobs under trouble that does not pass: they end, and hold nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer import EnsureFailed
from tests.acceptance.scenes import failure_of, notes, waits_for_task
from tests.acceptance.test_ends import LIMIT
from tests.acceptance.troubles import AWAY, BUSY, LONG, Always
from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_producer import Handle, Producer
    from tests.support.product import Product

LOOKS: dict[str, Callable[[Producer], Handle[Any]]] = {
    "status": lambda producer: producer.status([101]),
    "drift": lambda producer: producer.drift([101]),
    "plans": lambda producer: producer.plan_all([101]),
    "templates": lambda producer: producer.templates(),
    "containers": lambda producer: producer.containers(),
}
CLEAN_UPS: dict[str, tuple[str, str]] = {
    "the abortion": ("DELETE", "/nodes/pve1/tasks"),
    "the look": ("GET", "/{ctid}/config"),
    "the task's end": ("GET", "/status"),
    "the removal's order": ("DELETE", "/lxc/{ctid}"),
    "the removal's task": ("", "vzdestroy"),
}


def free(product: Product) -> None:
    wait_for(lambda: not list(product.redis.scan_iter("phoenix:lock:*")))
    assert not product.redis.exists("phoenix:reservations")


@pytest.mark.long
def test_a_look_ends_whatever_it_meets(product: Product) -> None:
    """It tells what it did not see, or fails by the limit; and succeeds afterwards."""
    pve, do = product.simulator.pve, product.simulator.do
    product.declare({900: template(), 101: container(101)})
    product.start_worker(PHOENIX_PATIENCE="1")
    product.ensure(101)
    wrong = {}
    for name, look in LOOKS.items():
        for end in ("/101/config", "/900/config", "/cluster/resources", "/101/status/current"):
            do(pve.fail, "GET", end, *AWAY)
        try:
            look(product.producer).wait(timeout=60)
        except EnsureFailed as failed:
            if LIMIT not in failed.failure.message:
                wrong[name] = failed.failure.message
        product.simulator.set(pve, failures={})
        free(product)
        assert look(product.producer).wait(timeout=60) is not None
    assert wrong == {}


@pytest.mark.long
def test_a_cancelled_job_holds_nothing_whatever_its_clean_up_meets(product: Product) -> None:
    pve, do = product.simulator.pve, product.simulator.do
    ctids = dict(zip(CLEAN_UPS, range(101, 110), strict=False))
    product.declare({900: template(), **{ctid: container(ctid) for ctid in ctids.values()}})
    product.simulator.add_template(900, description=notes(900, "template"))
    product.start_worker(PHOENIX_PATIENCE="1")
    for name, (method, end) in CLEAN_UPS.items():
        do(pve.ct_secs.update, {"clone": LONG})
        handle = product.producer.ensure(ctids[name])
        waits_for_task(product, "vzclone")
        if method:
            do(pve.fail, method, end.format(ctid=ctids[name]), *(AWAY if method == "GET" else (500, BUSY)))
        else:
            do(pve.task_failures.__setitem__, end, Always([BUSY]))
        handle.cancel().wait(timeout=60)
        assert failure_of(handle).cause == "cancelled", name
        free(product)
        product.simulator.set(pve, failures={})
        do(pve.task_failures.clear)
        do(pve.ct_secs.update, {"clone": 0.05})
        do(pve.hurry)
        product.producer.destroy(ctids[name]).wait(timeout=60)
        assert product.ensure(ctids[name]).outcome == "created", name
