"""Containers of ours are migrated on request; Proxmox's own rules are told before they are met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.scenes import before, done, failure_of, stand
from tests.acceptance.test_moved import words
from tests.support.crash import ARMED, KILL_AT
from tests.support.node_typing import type_on_node
from tests.support.product import container, template
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer import EnsureResult
    from phoenix_producer.contract import Failure
    from tests.support.product import Product

OTHER = "pve2"


def cluster(product: Product, **seconds: float) -> None:
    pve = product.simulator.pve
    product.simulator.set(
        pve,
        nodes={NODE: {"online": True}, OTHER: {"online": True}, "pve3": {"online": False}},
        ct_secs=pve.ct_secs | {"migrate": 0.1} | seconds,
        ha_delay=0.1,
    )


def migrate(product: Product, ctid: int, to: str = OTHER, **options: Any) -> EnsureResult:
    return product.producer.migrate(ctid, to=to, **options).wait(timeout=60)


def refused(product: Product, ctid: int, to: str = OTHER, **options: Any) -> Failure:
    return failure_of(product.producer.migrate(ctid, to=to, **options))


def moved(product: Product, ctid: int, result: EnsureResult) -> None:
    assert (result.outcome, result.moved_from, result.node) == ("migrated", NODE, OTHER)
    assert product.simulator.pve.ct(ctid).node == OTHER
    assert words(ctid) in result.warnings


def test_what_is_stopped_or_a_template_is_migrated_and_what_runs_with_restart(product: Product) -> None:
    cluster(product)
    product.declare({900: template(), 103: container(103), 104: container(104, state="stopped")})
    product.start_worker()
    product.producer.ensure_many([103, 104]).wait(timeout=60)
    for ctid in (900, 104):
        result = migrate(product, ctid)
        moved(product, ctid, result)
        assert done(result) == [("migrate", ctid)]
    failure = refused(product, 103)
    assert (failure.cause, failure.node, product.status(103)) == ("is-running", NODE, "running")
    product.simulator.set(product.simulator.pve.ct(103), snapshots={"before": {}})
    failure = refused(product, 103, restart=True)
    assert (failure.cause, "`pct delsnapshot 103 before`" in failure.remedy) == ("has-snapshots", True)
    assert product.status(103) == "running", "Proxmox would have stopped it first"
    type_on_node(product.simulator, failure.remedy)
    foretold = migrate(product, 103, restart=True, dry_run=True)
    assert foretold.plan == ("stop, migrate and start CT 103 from pve1 to pve2",)
    moved(product, 103, migrate(product, 103, restart=True))
    assert product.status(103) == "running"
    kinds = [(one.kind, one.guest) for one in product.simulator.intervals("vzmigrate")]
    assert kinds == [("vzmigrate", "900"), ("vzmigrate", "104"), ("vzmigrate", "103")]
    there = migrate(product, 103)
    assert (there.outcome, there.moved_from, there.node) == ("unchanged", "", OTHER)
    assert product.ensure(103).outcome == "unchanged"
    back = migrate(product, 103, NODE, restart=True)
    assert (back.moved_from, back.node, back.warnings) == (OTHER, NODE, ())


def test_what_cannot_be_migrated_is_refused_and_nothing_is_begun(product: Product) -> None:
    cluster(product)
    zfs: dict[str, Any] = {"storage_pool": "local-zfs"}
    product.declare(
        {
            900: template(**zfs),
            103: container(103, clone="linked", state="stopped", **zfs),
            104: container(104),
            105: container(105),
        }
    )
    product.start_worker()
    product.ensure(103)
    stand(product, 104)
    linked = refused(product, 103)
    assert (linked.cause, "local-zfs, which the nodes do not share" in linked.message) == ("linked-clone-local", True)
    assert refused(product, 900).cause == "has-linked-clones"
    assert refused(product, 104).cause == "not-ours"
    assert refused(product, 105).cause == "absent"
    assert refused(product, 999).cause == "not-declared"
    unknown = refused(product, 103, "pve22")
    assert (unknown.cause, "Did you mean 'pve2'?" in unknown.remedy) == ("no-such-node", True)
    assert refused(product, 103, "pve3").cause == "node-offline"
    assert not any(path.endswith("/migrate") for _, path in product.writes())


def test_an_ha_resource_is_awaited_where_ha_brings_it(product: Product) -> None:
    cluster(product)
    pve = product.simulator.pve
    product.declare({900: template(), 103: container(103)})
    product.start_worker()
    product.ensure(103)
    product.simulator.set(pve.ct(103), ha_state="started")
    moved(product, 103, migrate(product, 103, restart=True))
    assert product.status(103) == "running"
    kinds = [one.kind for one in product.simulator.intervals()][-3:]
    assert kinds == ["hamigrate", "vzmigrate", "vzstart"]
    product.simulator.set(pve, ha_migrations_fail="migration aborted")
    failure = refused(product, 103, NODE, restart=True)
    assert (failure.cause, "migration aborted" in failure.message) == ("proxmox-error", True)


def test_it_moves_between_the_look_and_the_request(product: Product) -> None:
    cluster(product)
    product.declare({900: template(), 103: container(103, state="stopped")})
    product.start_worker()
    product.ensure(103)
    pve = product.simulator.pve
    before(product, "POST", "/103/migrate", lambda: pve.move(103, "pve4"))
    result = migrate(product, 103)
    assert (result.moved_from, result.node, pve.ct(103).node) == ("pve4", OTHER, OTHER)


def test_a_cancelled_migration_is_left_to_proxmox(product: Product) -> None:
    cluster(product, migrate=600.0)
    product.declare({900: template(), 103: container(103, state="stopped")})
    product.start_worker()
    product.ensure(103)
    handle = product.producer.migrate(103, to=OTHER)
    wait_for(lambda: product.simulator.pve.ct(103).lock == "migrate")
    wait_for(lambda: any("vzmigrate" in str(one) for one in product.redis.hkeys("phoenix:watched")))
    handle.cancel().wait(timeout=60)
    failure = failure_of(handle)
    assert failure.cause == "cancelled"
    assert product.simulator.pve.aborted == []
    product.simulator.do(product.simulator.pve.hurry)
    assert product.ensure(103).node == OTHER


@pytest.mark.crash
@pytest.mark.long
@pytest.mark.parametrize("managed", [False, True], ids=["alone", "by-ha"])
@pytest.mark.parametrize("when", ["intent-recorded", "effect-done", "effect-journalled"])
def test_killed_around_a_migration(product: Product, owned_keys: list[str], when: str, *, managed: bool) -> None:
    owned_keys += ["points", ARMED]
    cluster(product)
    product.declare({900: template(), 103: container(103)})
    product.redis.set(ARMED, 1)
    doomed = product.start_worker("w1", "tests.support.crashing_worker", **{KILL_AT: f"{when}/migrate"})
    product.ensure(103)
    if managed:
        product.simulator.set(product.simulator.pve.ct(103), ha_state="started")
    handle = product.producer.migrate(103, to=OTHER, restart=True)
    wait_for(lambda: not doomed.running() or handle.done(), timeout=60)
    assert not doomed.running(), f"{when} was not reached"
    product.start_worker("w2")
    moved(product, 103, handle.wait(timeout=60))
    assert product.status(103) == "running"
    kinds = [one.kind for one in product.simulator.intervals() if one.kind.endswith("migrate")]
    assert kinds == (["hamigrate", "vzmigrate"] if managed else ["vzmigrate"]), "asked once"
