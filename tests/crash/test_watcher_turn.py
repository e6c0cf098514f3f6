"""Who looks at Proxmox's tasks for all is killed, or stands still, in the middle of a look: another worker looks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer import EnsureResult, Handle
    from tests.support.product import Product
    from tests.support.worker import WorkerProcess

LONG = 600.0
MARKED_AS_LATE = 0.6
A_LOOKS_LEASE = 900
TURN, LOOKS = "phoenix:watch:turn", "phoenix:watch:looks"

pytestmark = pytest.mark.crash


class FirstLook:
    """The first look at any task of a kind is answered when the test lets it be; all others at once."""

    def __init__(self, product: Product, kind: str) -> None:
        self.looks = 0
        self._simulator = product.simulator
        self._answered = asyncio.Event()
        pve = product.simulator.pve
        answer = pve._answer

        async def answering(request: Any, *rest: Any) -> Any:
            if request.method == "GET" and f":{kind}:" in request.path and request.path.endswith("/status"):
                self.looks += 1
                if self.looks == 1:
                    await self._answered.wait()
            return await answer(request, *rest)

        product.simulator.set(pve, _answer=answering)

    def let_it_be_answered(self) -> None:
        self._simulator.do(self._answered.set)


def in_the_middle_of_a_look(product: Product) -> tuple[WorkerProcess, str, FirstLook, Handle[EnsureResult]]:
    """Two workers, the first of which has the turn and looks at the clone of 103; Proxmox does not answer."""
    product.declare({900: template(), 103: container(103), 104: container(104)})
    product.simulator.add_template(900)
    product.simulator.pve.ct_secs["clone"] = LONG
    look = FirstLook(product, "vzclone")
    watching = product.start_worker("w1")
    turn = str(wait_for(lambda: product.redis.get(TURN)))
    product.start_worker("w2")
    handle = product.producer.ensure(103)
    (clone,) = wait_for(lambda: product.simulator.intervals("vzclone"))
    wait_for(lambda: look.looks)
    assert product.redis.hgetall(LOOKS) == {f"upid/{clone.upid}": turn}
    seconds, _ = product.redis.time()
    due = product.redis.zscore("phoenix:watch", f"upid/{clone.upid}")
    assert due is not None
    assert due - float(seconds) > LONG, "nobody else looks there for as long as the look may last"
    return watching, turn, look, handle


def another_has_the_turn(product: Product, turn: str) -> str:
    return str(wait_for(lambda: (now := product.redis.get(TURN)) != turn and now))


def test_killed_the_other_looks_at_once_where_it_looked(product: Product) -> None:
    watching, turn, look, handle = in_the_middle_of_a_look(product)
    watching.kill()
    product.simulator.do(product.simulator.pve.hurry)
    another_has_the_turn(product, turn)
    wait_for(lambda: look.looks > 1)
    assert handle.wait(timeout=60).outcome == "created"
    assert [one.made for one in product.simulator.intervals("vzclone")] == [103]
    wait_for(lambda: not product.redis.exists(LOOKS, "phoenix:watch", "phoenix:watched"))
    assert not product.redis.keys("phoenix:learned:vzclone*"), "an end that was seen late teaches nothing"


def test_standing_still_it_has_lost_the_turn_and_what_it_sees_late_changes_nothing(product: Product) -> None:
    watching, turn, look, handle = in_the_middle_of_a_look(product)
    with watching.stopped():
        other = another_has_the_turn(product, turn)
        wait_for(lambda: look.looks > 1)
        product.simulator.do(product.simulator.pve.hurry)
        assert handle.wait(timeout=60).outcome == "created"
    looks = look.looks
    look.let_it_be_answered()
    product.simulator.pve.ct_secs["clone"] = 0.1
    assert product.ensure(104).outcome == "created"
    assert product.redis.get(TURN) == other
    assert look.looks > looks
    assert [one.made for one in product.simulator.intervals("vzclone")] == [103, 104]
    wait_for(lambda: not product.redis.exists(LOOKS, "phoenix:watch", "phoenix:watched"))
    assert watching.running()
    assert "Traceback" not in watching.log()


def test_a_late_look_at_a_job_that_goes_on_keeps_nobody_from_learning_its_length(product: Product) -> None:
    """Of hundreds of looks at a long job one is late sooner or later; what counts is when its end was seen."""
    product.declare({900: template(), 103: container(103)})
    product.simulator.add_template(900)
    product.simulator.pve.ct_secs["clone"] = LONG
    worker = product.start_worker()
    handle = product.producer.ensure(103)
    wait_for(lambda: product.redis.hkeys("phoenix:watched"))
    event = str(product.redis.hkeys("phoenix:watched")[0])
    with worker.stopped():
        wait_for(lambda: overdue(product, event) > MARKED_AS_LATE)
    wait_for(lambda: -A_LOOKS_LEASE / 2 < overdue(product, event) < 0)
    product.simulator.do(product.simulator.pve.hurry)
    assert handle.wait(timeout=60).outcome == "created"
    wait_for(lambda: product.redis.keys("phoenix:learned:vzclone*"))


def overdue(product: Product, event: str) -> float:
    """Seconds since the next look should have begun."""
    seconds, microseconds = product.redis.time()
    return float(seconds) + float(microseconds) / 1e6 - float(product.redis.zscore("phoenix:watch", event) or 0)
