"""The journal of a task is deleted, or evicted, at each moment of its job: that ends as it would, nothing is twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from fakepve.server import error

from phoenix_producer import EnsureFailed
from tests.acceptance.scenes import stand, waits_for_task
from tests.acceptance.test_rebuilding import SCRATCH
from tests.acceptance.test_scripts import write_scripts
from tests.crash.test_redis_goes_back_to_each_point import COUNTS
from tests.support.product import container, template
from tests.support.ssh_node import SshNode, ssh_node
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_producer import Handle
    from tests.support.product import Product

__all__ = ["ssh_node"]

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
OTHER = "pve2"


class Losing:
    """A Redis that loses all journals around one of the calls to Proxmox."""

    def __init__(self, product: Product) -> None:
        self._product, self._pve = product, product.simulator.pve
        self.left = 0
        """How many calls are still to come until then."""
        slow = dict.fromkeys(self._pve.ct_secs, 0.3)
        product.simulator.set(self._pve, ct_secs=slow, start_secs=0.3, purge_secs=0.3)
        answer = self._pve._answer

        async def answering(*asked: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                self._lose()
            answered = await answer(*asked)
            if self.left == 0:
                self._lose()
            return answered

        product.simulator.set(self._pve, _answer=answering)

    def _lose(self) -> None:
        if keys := list(self._product.redis.scan_iter("phoenix:j:*")):
            self._product.redis.delete(*keys)

    def around(self, call: int, ask: Callable[[], Handle[Any]]) -> tuple[str, Counter[str]]:
        """Lose them around the so many-th call of a request; returns how it ends, and what Proxmox did for it."""
        before = self._did()
        self._product.simulator.do(setattr, self, "left", call)
        handle = ask()
        try:
            end = handle.wait(timeout=60).outcome
        except EnsureFailed as failed:
            end = f"failed: {failed.failure.message}"
        except AssertionError as endless:
            end = f"did not end: {endless}"
        wait_for(lambda: not list(self._product.redis.scan_iter("phoenix:lock:*")))
        return end, self._did() - before

    def _did(self) -> Counter[str]:
        return Counter(one.kind for one in self._product.simulator.intervals())


NEVER = 10_000


def losing_at_each_call(
    product: Product, ask: Callable[[int], Handle[Any]], before: Callable[[int], object] = lambda _: None
) -> dict[int, Any]:
    """Lose the journals around each call of a request, until it ends before so many; returns what differs from one of
    which none is lost.
    """
    losing, ends = Losing(product), dict[int, Any]()
    for call in (0, *range(1, 99)):
        before(call)
        ends[call] = losing.around(call or NEVER, lambda: ask(call))  # noqa: B023 - called at once
        if call and losing.left > 0:
            assert call > len(ends[0][1])
            return {call: end for call, end in ends.items() if end != ends[0]}
    raise AssertionError("it has no end")


def test_a_container_is_made_with_its_template(product: Product, ssh_node: SshNode) -> None:
    write_scripts(product, base=COUNTS, more=COUNTS)
    entries: dict[int, dict[str, Any]] = {}
    for number in range(99):
        entries[500 + number] = template(500 + number, features=["base"])
        more = {"features": ["more"], "storage_size_gb": 16, "enable_lifecycle_snapshots": True}
        entries[100 + number] = container(100 + number, 500 + number, **more)
    product.declare(entries)
    product.start_worker(**ssh_node.environ())
    assert losing_at_each_call(product, lambda call: product.producer.ensure(100 + call)) == {}
    ran = [file.read_text() for file in ssh_node.root(100).parent.glob("*/ran-*")]
    assert set(ran) == {"ran\n"}


def test_a_container_is_changed_stopped_migrated_and_destroyed(product: Product) -> None:
    product.simulator.do(product.simulator.pve.nodes.setdefault, OTHER, {"online": True})
    entries = {ctid: container(ctid) for ctid in range(100, 199)}
    product.declare({900: template(), **entries})
    product.simulator.add_template(900)
    product.start_worker()
    producer = product.producer

    def grown(call: int) -> None:
        product.ensure(100 + call)
        entries[100 + call] = container(100 + call, storage_size_gb=16 + call, memory_mb=1024)
        product.declare({900: template(), **entries})

    wrong = {
        "changed": losing_at_each_call(product, lambda call: producer.ensure(100 + call), grown),
        "stopped": losing_at_each_call(
            product, lambda _: producer.ensure(100, state="stopped"), lambda _: product.ensure(100)
        ),
        "migrated": losing_at_each_call(
            product,
            lambda call: producer.migrate(100 + call, to=OTHER, restart=True),
            lambda call: product.ensure(100 + call),
        ),
        "destroyed": losing_at_each_call(
            product, lambda call: producer.destroy(100 + call), lambda call: product.ensure(100 + call)
        ),
    }
    assert {name: each for name, each in wrong.items() if each} == {}


def test_a_template_is_rebuilt_and_adopted(product: Product) -> None:
    product.declare({ctid: template(ctid) for ctid in (900, *range(500, 599))})
    product.start_worker(**SCRATCH)
    product.ensure(900)

    def theirs(call: int) -> None:
        stand(product, 500 + call, running=True, hostname=f"ct{500 + call}")
        product.simulator.do(product.simulator.pve.ct(500 + call).snapshots.__setitem__, "old", {"snaptime": 1})

    wrong = {
        "rebuilt": losing_at_each_call(product, lambda _: product.producer.rebuild(900)),
        "adopted": losing_at_each_call(product, lambda call: product.producer.adopt(500 + call, seal=True), theirs),
    }
    assert {name: each for name, each in wrong.items() if each} == {}


@pytest.mark.parametrize("order", ["/103/status/start", "/103/snapshot", "/900/clone", "/103/resize"])
def test_an_order_whose_answer_was_lost_as_well_is_not_sent_twice(product: Product, order: str) -> None:
    """Proxmox is at work on it when the step runs again, and no intent tells that it was sent."""
    pve = product.simulator.pve
    product.declare(
        {900: template(), 103: container(103, storage_size_gb=16, enable_lifecycle_snapshots=True, features=[])}
    )
    product.simulator.add_template(900)
    product.start_worker()
    product.simulator.set(pve, ct_secs=dict.fromkeys(pve.ct_secs, 3.0), start_secs=3.0)
    answer, lost = pve._answer, list[str]()

    async def answering(request: Any, *rest: Any) -> Any:
        answered = await answer(request, *rest)
        if request.path.endswith(order) and request.method in {"POST", "PUT"} and not lost:
            keys = [str(key) for key in product.redis.scan_iter("phoenix:j:*")]
            lost.extend(keys)
            product.redis.delete(*keys)
            return error(595, "Connection refused")
        return answered

    product.simulator.set(pve, _answer=answering)
    assert product.ensure(103).outcome == "created"
    assert lost
    sent = [path for method, path in product.writes() if path.endswith(order)]
    assert len(sent) == 1


def test_what_is_cancelled_leaves_nothing_half_made(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    product.simulator.add_template(900)
    product.start_worker()
    product.simulator.pve.ct_secs["clone"] = 600
    handle = product.producer.ensure(103)
    clone = waits_for_task(product, "vzclone")
    wait_for(lambda: product.redis.hget(f"phoenix:t:{handle.id}", "state") in {"parked", "replaced"})
    wait_for(lambda: list(product.redis.scan_iter("phoenix:ev:upid/*:w")))
    product.redis.delete(*product.redis.scan_iter("phoenix:j:*"))
    handle.cancel().wait(timeout=60)
    wait_for(lambda: product.status(103) == "absent")
    assert product.simulator.pve.aborted == [clone.upid]
    wait_for(lambda: not list(product.redis.scan_iter("phoenix:lock:*")))
