"""A job that usually takes long is looked at early too: it may have failed at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.scenes import failure_of
from tests.acceptance.test_converging import redeclare
from tests.support.product import container, template

if TYPE_CHECKING:
    from tests.support.product import Product

_DAY = 86_400
SHORTEST_PAUSE = 0.05
"""Seconds between two looks at what is overdue."""


def learned(product: Product, kind: str, seconds: float) -> str:
    """Have such jobs taken that long so far."""
    key = f"phoenix:learned:{kind}"
    product.redis.delete(key)
    product.redis.rpush(key, *[f"{seconds:g}"] * 9)
    product.redis.expire(key, _DAY)
    return key


def test_a_fast_failure_of_a_slow_kind_is_told_at_once(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    product.start_worker()
    product.ensure(103)
    learned(product, "resize pve1", 600)
    redeclare(product, 103, storage_size_gb=16)
    product.simulator.pve.task_failures["resize"].append("no space left on device")
    failure = failure_of(product.producer.ensure(103))  # it waits for a minute, not for ten
    assert failure.cause == "proxmox-error"


def test_early_looks_are_few_and_nothing_is_learned_of_them(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    product.start_worker()
    product.ensure(103, state="stopped")
    product.simulator.set(product.simulator.pve.ct(103), start_secs=2.5)
    key = learned(product, "vzstart pve1 900", 2.5)
    product.ensure(103)
    looks = [path for _, path in product.calls() if ":vzstart:103:" in path and path.endswith("/status")]
    start = product.simulator.intervals("vzstart")[-1]
    lasted = (start.end or 0.0) - start.start
    overdue = max(0.0, lasted - 2.5)
    assert 2 <= len(looks) <= 4 + overdue / SHORTEST_PAUSE, "one early, and near two if it took as long as the others"
    assert float(product.redis.lindex(key, 0) or 0) > lasted / 2, "it was seen to run after a second"
