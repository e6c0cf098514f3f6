"""`ensure` of a template: its copies are configured with it, each in its own lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.core.planned.copies import numbers
from tests.acceptance.scenes import before, done, waits_for_task
from tests.acceptance.test_copies import COPIES, CTIDS, FIRST, OTHER, copies, two_nodes
from tests.support.crash import ARMED, KILL_AT
from tests.support.product import container, template
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from tests.support.product import Product

pytestmark = pytest.mark.long
THIRD = "pve3"
ON_THIRD = next(numbers(900, THIRD, CTIDS))
CLONES: dict[int, dict[str, Any]] = {103: container(103, node=OTHER), 104: container(104, node=THIRD)}
NEWER = {900: template(memory_mb=768), **CLONES, 105: container(105, node=OTHER)}


@pytest.fixture
def outdated(product: Product) -> Product:
    """A template and a copy on each of two other nodes, which the catalog declares otherwise by now."""
    two_nodes(product)
    product.simulator.do(product.simulator.pve.nodes.setdefault, THIRD, {"online": True})
    product.declare({900: template(), **CLONES})
    worker = product.start_worker("w0", **COPIES)
    product.producer.ensure_many([900, *CLONES]).wait(timeout=60)
    assert copies(product) == sorted([FIRST, ON_THIRD])
    worker.term()
    worker.wait()
    product.declare(NEWER)
    return product


def memories(product: Product) -> dict[int, str]:
    return {ctid: product.config(ctid)["memory"] for ctid in (900, FIRST, ON_THIRD)}


@pytest.mark.parametrize("where", ["offline", "silent", "gone"])
def test_a_copy_that_cannot_be_configured_is_told_and_stops_nothing(outdated: Product, where: str) -> None:
    pve, do = outdated.simulator.pve, outdated.simulator.do
    do(pve.refresh_resources)
    if where == "offline":
        do(pve.cut, OTHER)
    elif where == "silent":
        do(pve.refusing.add, OTHER)
    else:
        before(outdated, "PUT", "/900/config", lambda: pve.cts.remove(pve.ct(FIRST)))
    outdated.start_worker(**COPIES, PHOENIX_PATIENCE="10")
    result = outdated.ensure(900)
    assert result.outcome == "updated"
    told = {"offline": "is offline", "silent": "does not answer"}.get(where, "")
    assert [f"{FIRST}" in line and told in line for line in result.warnings] == [True] * (where != "gone")
    assert outdated.config(900)["memory"] == outdated.config(ON_THIRD)["memory"] == "768"
    do(pve.mend, OTHER)
    if where != "gone":
        assert outdated.config(FIRST)["memory"] == "512"
        assert done(outdated.ensure(900)) == [("configure", FIRST)]


def test_a_copy_is_configured_once_its_lane_is_free_and_clones_go_on_from_the_template(outdated: Product) -> None:
    outdated.start_worker(**COPIES)
    outdated.simulator.pve.ct_secs["clone"] = 600.0
    clone = outdated.producer.ensure(105)
    waits_for_task(outdated, "vzclone")
    ensured = outdated.producer.ensure(900)
    outdated.simulator.pve.ct_secs["clone"] = 0.1
    outdated.declare(NEWER | {106: container(106)})
    assert outdated.ensure(106).outcome == "created", "the template is not held while a copy of it is waited for"
    assert not ensured.done()
    outdated.simulator.do(outdated.simulator.pve.hurry)
    assert clone.wait(timeout=60).outcome == "created"
    assert done(ensured.wait(timeout=60)) == [("configure", one) for one in (900, *copies(outdated))]
    assert set(memories(outdated).values()) == {"768"}


@pytest.mark.parametrize("calls", range(1, 5))
def test_a_copy_that_is_moved_meanwhile_is_configured_where_it_stands(outdated: Product, calls: int) -> None:
    outdated.start_worker(**COPIES)
    outdated.simulator.do(outdated.simulator.pve.move_after, FIRST, NODE, calls=calls)
    outdated.ensure(900)
    outdated.ensure(900)
    assert set(memories(outdated).values()) == {"768"}
    assert outdated.ensure(900).outcome == "unchanged"


@pytest.mark.crash
@pytest.mark.parametrize(
    "where",
    [f"{point}/configure{more}" for point in ("effect-done", "effect-journalled") for more in ("", ":2", ":3")]
    + ["effect-done/held", "effect-done/held:2", "successor-recorded", "successor-recorded:2", "replace-recorded"]
    + ["replace-recorded:2", "before-replace-recorded:3", "claimed:3", "before-finish"],
)
def test_killed_while_copies_are_configured(outdated: Product, owned_keys: list[str], where: str) -> None:
    owned_keys += ["points", ARMED]
    doomed = outdated.start_worker("w1", "tests.support.crashing_worker", **COPIES, **{KILL_AT: where})
    outdated.redis.set(ARMED, 1)
    handle = outdated.producer.ensure(900)
    doomed.wait()
    outdated.start_worker("w2", **COPIES)
    result = handle.wait(timeout=60)
    assert result.outcome == "updated"
    assert set(memories(outdated).values()) == {"768"}
    assert done(result) == [("configure", one) for one in (900, *copies(outdated))]
    assert outdated.ensure(900).outcome == "unchanged"
