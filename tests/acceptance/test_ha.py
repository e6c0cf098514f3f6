"""A container that the catalog declares as an HA resource: made one, kept one, and taken out when it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.scenes import changes_of, done, failure_of, refused, stand
from tests.acceptance.test_converging import redeclare
from tests.acceptance.test_power import power_is_watched
from tests.support.crash import ARMED, KILL_AT
from tests.support.node_typing import commands_in, type_on_node
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product

SID = "ct:103"


def resource(product: Product) -> dict[str, Any] | None:
    return product.simulator.pve.ha_resources.get(SID)


def ha_writes(product: Product) -> list[tuple[str, str]]:
    return [call for call in product.writes() if call[1].startswith("/cluster/ha/")]


def test_it_is_made_kept_shown_changed_and_taken_out(product: Product) -> None:
    pve = product.simulator.pve
    product.simulator.set(pve, ha_delay=0.1)
    declared = container(103, ha={"max_restart": 3})
    product.declare({900: template(), 103: declared, 104: container(104, None, template=OS_TEMPLATE, ha=True)})
    product.start_worker()
    planned = product.producer.plan(103).wait(timeout=60)
    assert ("ha", None, "max_restart=3,max_relocate=1") in [(one.key, one.old, one.new) for one in planned.actions]
    made = product.ensure(103)
    assert ("ha", None, "max_restart=3,max_relocate=1") in changes_of(made)
    assert resource(product) == {"state": "stopped", "max_restart": 3}, "HA does not start what is not configured"
    assert [one.kind for one in product.simulator.intervals("hastart")] == ["hastart"]
    assert product.status(103) == "running"
    assert done(product.ensure(104))[-1] == ("start", 104)
    assert product.ensure(103).outcome == "unchanged"
    assert product.ensure(104).outcome == "unchanged"
    product.simulator.do(pve.ha_resources[SID].update, {"max_restart": 1, "comment": "Ann's"})
    (drift,) = product.producer.drift([103]).wait(timeout=60)
    assert [(one.key, one.old, one.new) for one in drift.actions] == [
        ("ha", "max_restart=1,max_relocate=1", "max_restart=3,max_relocate=1")
    ]
    assert product.producer.status([103]).wait(timeout=60)[0].differs == ("ha",)
    assert [change.key for change in product.ensure(103).changes] == ["ha"]
    assert (resource(product) or {})["comment"] == "Ann's"
    failure = failure_of(product.producer.destroy(103))
    assert (failure.cause, '"ha": false' in failure.remedy) == ("ha-managed", True)
    redeclare(product, 103, ha=None)
    assert product.ensure(103).changes == ()
    assert resource(product) is not None, "what nobody declares is left alone"
    redeclare(product, 103, ha=False)
    assert changes_of(product.ensure(103)) == [("ha", "max_restart=3,max_relocate=1", None)]
    assert (resource(product), product.status(103)) == (None, "running")
    assert product.ensure(103).outcome == "unchanged"
    assert product.producer.destroy(103).wait(timeout=60).outcome == "destroyed"


@pytest.mark.long
def test_what_ha_ignores_is_started_and_stopped_directly_and_not_stopped_to_be_destroyed(product: Product) -> None:
    """Nor is it, as Proxmox would have it, converted to a template that HA then tries to start."""
    pve, do = product.simulator.pve, product.simulator.do
    product.declare({900: template(), 901: template(901), 103: container(103), 105: container(105, 901)})
    product.start_worker(PHOENIX_SCRATCH_CTIDS="9000-9099")
    product.ensure(103)
    do(pve.ignore, 103)
    failure = failure_of(product.producer.destroy(103))
    assert (failure.cause, product.status(103)) == ("ha-managed", "running")
    assert commands_in(failure.remedy) == ["ha-manager remove ct:103"]
    redeclare(product, 103, state="stopped")
    assert done(product.ensure(103))[-1] == ("stop", 103)
    assert [one.kind for one in product.simulator.intervals()][-1] == "vzshutdown"
    do(pve.ignore, 900)
    written = len(product.writes())
    assert failure_of(product.producer.rebuild(900)).cause == "ha-managed"
    assert len(product.writes()) == written
    stand(product, 901, running=True)
    for hold, cause in (("ha_state", "ha-managed"), ("protection", "protected"), ("ignore", "ha-managed")):
        product.simulator.set(pve.ct(901), ha_state="started" if hold == "ha_state" else None)
        do(pve.ct(901).config.update, {"protection": int(hold == "protection")})
        if hold == "ignore":
            do(pve.ignore, 901)
        written = len(product.writes())
        for dry_run in (False, True):
            failure = failure_of(product.producer.adopt(901, dry_run=dry_run))
            assert failure.cause == cause, hold
            assert failure.message.startswith("Unable to convert CT 901 on pve1 to a template: it is "), hold
        assert (len(product.writes()), product.status(901)) == (written, "running")
    do(pve.ha_resources.clear)
    do(pve.ha_remembers.add, 901)
    assert product.producer.adopt(901).wait(timeout=60).outcome == "adopted", "it is a resource no more"


@pytest.mark.long
def test_a_container_that_ha_starts_on_another_node_is_told_to_stand_there(product: Product) -> None:
    """As `ha-rebalance-on-start` has it, or a start that failed on its node."""
    pve = product.simulator.pve
    product.declare({900: template(), 103: container(103, state="stopped", ha=True)})
    product.simulator.do(pve.nodes.setdefault, "pve2", {"online": True})
    product.start_worker()
    product.ensure(103)
    product.simulator.set(pve, ha_delay=600.0)
    redeclare(product, 103, state="running")
    handle = product.producer.ensure(103, wait_for_address=20)
    wait_for(lambda: power_is_watched(product) or handle.done())
    assert product.simulator.do(pve.move, 103, "pve2")
    product.simulator.do(pve.hurry)
    result = handle.wait(timeout=60)
    assert (result.node, product.status(103)) == ("pve2", "running")


@pytest.mark.long
def test_what_ha_has_given_up_is_told_at_once_and_started_once_it_is_mended(product: Product) -> None:
    product.declare({900: template(), 103: container(103, state="stopped", ha=True)})
    product.simulator.do(product.simulator.pve.nodes.setdefault, "pve2", {"online": True})
    product.start_worker()
    product.ensure(103)
    ct = product.simulator.pve.ct(103)
    product.simulator.set(ct, ha_state="error")
    product.declare({900: template(), 103: container(103, ha=True)})
    failure = failure_of(product.producer.ensure(103))
    assert (failure.cause, "ha-manager set ct:103 --state disabled" in failure.remedy) == ("ha-error", True)
    assert failure_of(product.producer.migrate(103, to="pve2")).cause == "ha-error"
    type_on_node(product.simulator, failure.remedy)
    assert product.ensure(103).outcome == "updated"
    assert product.status(103) == "running"


def test_a_group_is_for_proxmox_8_and_what_is_not_allowed_says_so(product: Product) -> None:
    pve = product.simulator.pve
    product.declare({900: template(), 103: container(103, state="stopped", ha={"group": "rack1"})})
    product.simulator.set(pve, version="9.1.2")
    product.start_worker()
    for failure in (refused(product, 103), failure_of(product.producer.plan(103))):
        assert failure.cause == "ha-groups-gone"
        assert "ha-manager rules add node-affinity" in failure.remedy
    assert ha_writes(product) == []
    assert product.status(103) == "absent"
    product.simulator.set(pve, version="8.4.1", ha_groups={"rack1"})
    product.ensure(103)
    assert (resource(product) or {})["group"] == "rack1"
    product.simulator.set(pve, version="9.1.2", ha_groups=None)
    assert refused(product, 103).cause == "ha-groups-gone", "the worker still believes that it is 8"
    redeclare(product, 103, ha={"max_relocate": 2})
    product.simulator.do(pve.acl.__setitem__, "phoenix@pve!worker", _without_console(product))
    denied = refused(product, 103)
    assert (denied.cause, "Sys.Console" in denied.remedy) == ("proxmox-permission", True)


def _without_console(product: Product) -> list[tuple[str, set[str]]]:
    grants = product.simulator.pve.acl["phoenix@pve!worker"]
    return [(path, set(privileges) - {"Sys.Console"}) for path, privileges, *_ in grants]


def test_what_a_cancelled_job_was_making_is_taken_out_of_ha_and_removed(product: Product) -> None:
    product.simulator.set(product.simulator.pve, ha_delay=600.0)
    product.declare({900: template(), 103: container(103, ha=True)})
    product.start_worker()
    handle = product.producer.ensure(103)
    wait_for(lambda: power_is_watched(product) or handle.done())
    assert resource(product) is not None
    handle.cancel().wait(timeout=60)
    assert failure_of(handle).cause == "cancelled"
    wait_for(lambda: product.status(103) == "absent")
    assert resource(product) is None


@pytest.mark.crash
@pytest.mark.long
def test_killed_after_it_was_made_one(product: Product, owned_keys: list[str]) -> None:
    owned_keys += ["points", ARMED]
    product.simulator.set(product.simulator.pve, ha_delay=0.1)
    product.declare({900: template(), 103: container(103, ha=True)})
    product.redis.set(ARMED, 1)
    doomed = product.start_worker("w1", "tests.support.crashing_worker", **{KILL_AT: "effect-done/configure"})
    handle = product.producer.ensure(103)
    wait_for(lambda: not doomed.running() or handle.done(), timeout=60)
    assert not doomed.running()
    product.start_worker("w2")
    result = handle.wait(timeout=60)
    assert [change.key for change in result.changes].count("ha") == 1
    assert (product.status(103), ha_writes(product)) == ("running", [("POST", "/cluster/ha/resources")])
