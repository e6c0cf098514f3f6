"""`destroy`: what is ours goes, with its disks; what is not, or what others hang on, stays."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer import ContractError
from phoenix_worker.proxmox.api import ProxmoxApi
from tests.acceptance import scenes
from tests.acceptance.scenes import before, done, failure_of, notes, stand, told, waits_for_task, writes_to
from tests.support.crash import ARMED, KILL_AT
from tests.support.node_typing import type_on_node
from tests.support.product import container, template
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer.contract import Failure
    from tests.support.product import Product


def refused(product: Product, ctid: int) -> Failure:
    return failure_of(product.producer.destroy(ctid))


def deletes(product: Product) -> list[str]:
    return [path for method, path in product.writes() if method == "DELETE"]


def test_what_is_ours_is_stopped_and_destroyed_and_absent_is_done(product: Product) -> None:
    product.declare({900: template(), 103: container(103), 104: container(104, dependencies=["103"])})
    product.start_worker()
    product.ensure(103)
    foretold = product.producer.destroy(103, dry_run=True).wait(timeout=60)
    assert (foretold.outcome, foretold.dry_run) == ("destroyed", True)
    assert foretold.plan == ("stop and destroy CT 103 on pve1: running container 'ct103', with its disks",)
    assert foretold.warnings == ("CT 104 depends on CT 103: ensuring it creates CT 103 again.",)
    assert product.status(103) == "running"
    result = product.producer.destroy(103).wait(timeout=60)
    assert (result.outcome, done(result)) == ("destroyed", [("destroy", 103)])
    assert result.steps[0].upid
    assert product.status(103) == "absent"
    assert product.simulator.pve.destroyed[-1]["destroy-unreferenced-disks"] == 1
    assert writes_to(product, 103)[-2:] == ["POST /status/shutdown", "DELETE "]
    written = len(product.writes())
    again = product.producer.destroy(103).wait(timeout=60)
    assert (again.outcome, again.steps) == ("unchanged", ())
    assert len(product.writes()) == written
    assert product.producer.destroy(900).wait(timeout=60).outcome == "destroyed", "nothing hangs on a full clone's"
    assert product.ensure(103).templates_built == (900,)


def test_the_seconds_of_a_destroy_count_the_shutdown_too(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    product.start_worker()
    product.ensure(103)
    product.simulator.set(product.simulator.pve.ct(103), shutdown_secs=1.5)
    began = time.time()
    (step,) = product.producer.destroy(103).wait(timeout=60).steps
    stopped, destroyed = (product.simulator.intervals(kind)[-1] for kind in ("vzshutdown", "vzdestroy"))
    assert stopped.end is not None
    assert destroyed.end is not None
    assert step.seconds >= destroyed.end - stopped.start >= 1.5
    assert began <= step.started + 0.1


def test_what_is_not_ours_or_not_declared_is_left_alone(product: Product) -> None:
    product.declare({900: template(), **{ctid: container(ctid) for ctid in (103, 104, 105, 106, 107)}})
    stand(product, 103, running=True)
    stand(product, 104, description=notes(103))
    stand(product, 105, node="pve2")
    stand(product, 106, description=notes(106), lock="create")
    product.simulator.do(product.simulator.pve.add_vm, 107, name="windows", node=NODE)
    stand(product, 999, description=notes(999))
    product.start_worker(PHOENIX_PATIENCE="0.2")
    causes = {103: "not-ours", 104: "not-ours", 105: "other-node", 106: "half-made", 107: "vm-has-id"}
    handles = {ctid: product.producer.destroy(ctid) for ctid in causes}
    for ctid, cause in causes.items():
        failure = failure_of(handles[ctid])
        assert failure.cause == cause, told(failure)
        assert failure.message.startswith(f"Unable to destroy CT {ctid} on ")
    undeclared = refused(product, 999)
    assert undeclared.cause == "not-declared"
    assert undeclared.message.startswith("Unable to destroy CT 999: it is not in the catalog.")
    assert product.writes() == []
    with pytest.raises(ContractError, match="Not a valid destroy request: ctid"):
        product.producer.destroy(1)


def test_a_template_with_linked_clones_is_refused_naming_them(product: Product) -> None:
    """ZFS tells by the volumes' names; LVM-thin tells nobody, and there the declaration counts."""
    zfs: dict[str, Any] = {"storage_pool": "local-zfs"}
    thin: dict[str, Any] = {"clone": "linked"}
    catalog = {900: template(**zfs), 901: template(901), 103: container(103, **zfs, **thin)}
    product.declare(catalog | {104: container(104, 901, **thin), 105: container(105, 901, **thin)})
    product.start_worker()
    product.producer.ensure_many([103, 104]).wait(timeout=60)
    assert product.config(103)["rootfs"].startswith("local-zfs:basevol-900-disk-0/subvol-103-disk-0")
    product.declare(catalog | {103: container(103, **zfs), 104: container(104, 901, **thin)})
    for ctid, clone in ((900, 103), (901, 104)):
        for failure in (refused(product, ctid), failure_of(product.producer.destroy(ctid, dry_run=True))):
            assert (failure.cause, failure.ctid) == ("has-linked-clones", ctid)
            assert f"it has linked clones: CT {clone}." in failure.message
            assert f"`phoenix-lxc destroy {clone}`" in failure.remedy
    assert deletes(product) == []
    for ctid in (103, 900, 104, 901):
        assert product.producer.destroy(ctid).wait(timeout=60).outcome == "destroyed"


@pytest.mark.parametrize("order", [(900, 901, 801), (801, 901, 900)])
def test_clones_are_destroyed_before_their_templates_whatever_the_order(
    product: Product, order: tuple[int, ...]
) -> None:
    """One of three is asked for by the others before its own request is there."""
    linked: dict[str, Any] = {"clone": "linked"}
    product.declare({900: template(), 901: container(901, 900, **linked), 801: container(801, 901, **linked)})
    product.start_worker()
    product.ensure(801)
    foretold = product.producer.destroy_many(order, dry_run=True).wait(timeout=60)
    assert {(one.outcome, one.dry_run) for one in foretold} == {("destroyed", True)}, "what hangs on it goes first"
    results = product.producer.destroy_many(order).wait(timeout=60)
    assert [(one.ctid, one.outcome) for one in results] == [(ctid, "destroyed") for ctid in order]
    gone = [int(one.guest) for one in product.simulator.intervals("vzdestroy")]
    assert gone == [801, 901, 900]
    asked = [product.redis.hget(f"phoenix:job:{one.request_id}", "requester") for one in results]
    assert asked == ["tests"] * 3, "whoever has recorded it"


def test_a_template_stays_where_one_of_its_clones_does(product: Product) -> None:
    linked: dict[str, Any] = {"clone": "linked"}
    product.declare({900: template(), 801: container(801, 900, **linked)})
    product.start_worker()
    product.ensure(801)
    product.config(801)
    found = product.simulator.pve.ct(801)
    assert found is not None
    product.simulator.do(found.config.update, {"protection": 1})
    template_, clone = product.producer.destroy_many([900, 801])
    assert failure_of(clone).cause == "protected"
    assert failure_of(template_).cause == "has-linked-clones"
    assert deletes(product) == []


def test_the_marker_is_read_just_before_each_write(product: Product) -> None:
    product.declare({900: template(), 103: container(103), 104: container(104)})
    product.start_worker()
    product.producer.ensure_many([103, 104]).wait(timeout=60)
    product.ensure(104, state="stopped")
    for ctid, method, path in ((103, "POST", "/103/status/shutdown"), (104, "GET", "/104/status/current")):
        found = product.simulator.pve.ct(ctid)
        assert found is not None
        before(product, method, path, lambda found=found: found.config.pop("description"))  # type: ignore[misc]
        assert refused(product, ctid).cause == "not-ours"
        assert product.status(ctid) == "stopped"
    assert deletes(product) == []


@pytest.mark.crash
@pytest.mark.parametrize("at", ["effect-done/destroy", "effect-done/stop"])
def test_killed_around_its_requests_to_proxmox_it_is_destroyed_once(
    product: Product, owned_keys: list[str], at: str
) -> None:
    owned_keys += ["points", ARMED]
    product.declare({900: template(), 103: container(103)})
    product.simulator.add_template(900)
    stand(product, 103, running=True, description=notes(103))
    product.simulator.pve.ct_secs["destroy"] = 600.0
    product.redis.set(ARMED, 1)
    doomed = product.start_worker("w1", "tests.support.crashing_worker", **{KILL_AT: at})
    handle = product.producer.destroy(103)
    wait_for(lambda: not doomed.running() or handle.done())
    assert not doomed.running()
    product.start_worker("w2")
    upid = waits_for_task(product, "vzdestroy").upid
    product.simulator.do(product.simulator.pve.hurry)
    result = handle.wait(timeout=60)
    assert (result.outcome, [step.upid for step in result.steps]) == ("destroyed", [upid])
    kinds = [interval.kind for interval in product.simulator.intervals()]
    assert kinds == ["vzshutdown", "vzdestroy"]
    assert product.status(103) == "absent"


@pytest.mark.long
@pytest.mark.parametrize(
    ("ask", "shows", "outcome"),
    [
        ("destroy", "nothing", "destroyed"),
        ("destroy", "its lock", "unchanged"),
        ("ensure", "its lock", "created"),
    ],
)
def test_a_removal_that_goes_on_is_followed_for_as_long_as_it_takes(
    product: Product, ask: str, shows: str, outcome: str
) -> None:
    """Redis has lost that it was ordered, or its job was cancelled. The disks are removed first: nothing shows that."""
    product.declare({900: template(), 103: container(103)})
    product.simulator.add_template(900)
    stand(product, 103, description=notes(103))
    pve = product.simulator.pve
    if shows == "nothing":
        pve.ct_secs["destroy"] = 600.0
    else:
        product.simulator.set(pve, purge_secs=600.0)
    upid = ProxmoxApi(product.simulator.access).destroy(NODE, 103)
    if shows == "its lock":
        wait_for(lambda: pve.ct(103).lock == "destroyed")
    product.start_worker(PHOENIX_PATIENCE="1")
    handle = product.producer.destroy(103) if ask == "destroy" else product.producer.ensure(103)
    wait_for(lambda: product.redis.zscore("phoenix:watch", f"upid/{upid}"))
    product.simulator.set(pve, purge_secs=0.0)
    product.simulator.do(pve.hurry)
    assert handle.wait(timeout=60).outcome == outcome
    assert [one.upid for one in product.simulator.intervals("vzdestroy")] == [upid]


def test_what_forbids_it_is_seen_before_it_is_stopped(product: Product) -> None:
    pve = product.simulator.pve
    roots = {
        900: template(),
        901: template(901),
        902: template(902),
        107: container(107, 901),
        108: container(108, 902),
    }
    product.declare({**roots, **{ctid: container(ctid) for ctid in (103, 104, 105, 106)}})
    product.start_worker(PHOENIX_PATIENCE="1", PHOENIX_SCRATCH_CTIDS="9000-9099")
    stand(product, 901, running=True, description=notes(901, "template"))
    product.simulator.do(pve.ct(901).snapshots.__setitem__, "theirs", {"snaptime": 1})
    product.simulator.add_template(902, description=notes(902, "template"))
    failure = scenes.refused(product, 901)
    assert (failure.cause, product.status(901)) == ("has-snapshots", "running")
    assert "it has snapshots: theirs." in failure.message
    assert "`pct delsnapshot 901 theirs`" in failure.remedy
    type_on_node(product.simulator, failure.remedy)
    product.simulator.do(pve.ct(901).config.update, {"protection": 1})
    failure = scenes.refused(product, 901)
    assert failure.cause == "protected", "Proxmox would convert it all the same"
    type_on_node(product.simulator, failure.remedy)
    product.simulator.do(pve.ignore, 901)
    failure = scenes.refused(product, 901)
    assert failure.cause == "ha-managed", "HA would try to start the template"
    type_on_node(product.simulator, failure.remedy)
    product.simulator.do(pve.ct(901).config.update, {"mp0": "/srv/media,mp=/media"})
    failure = scenes.refused(product, 901)
    assert (failure.cause, product.status(901)) == ("bind-mount", "running"), "it would fail in a task"
    assert failure_of(product.producer.adopt(901)).cause == "bind-mount"
    assert type_on_node(product.simulator, failure.remedy) == ["pct shutdown 901", "pct set 901 --delete mp0"]
    assert done(product.ensure(901)) == [("seal", 901)]
    for ctid in (103, 104, 105, 106):
        product.ensure(ctid)
    product.simulator.do(pve.ct(103).config.update, {"protection": 1})
    product.simulator.set(pve.ct(104), ha_state="started")
    product.simulator.do(pve.ha_resources.__setitem__, "ct:104", {"state": "started"})
    product.simulator.set(pve.ct(105), lock="backup")
    product.simulator.do(pve.ct(900).config.update, {"protection": 1})
    written = len(product.writes())
    remedies = {}
    for ctid, cause in {103: "protected", 104: "ha-managed", 105: "locked", 900: "protected"}.items():
        failure = refused(product, ctid)
        assert failure.cause == cause, told(failure)
        remedies[ctid] = failure.remedy
    assert failure_of(product.producer.rebuild(900)).cause == "protected"
    product.simulator.do(pve.lose_quorum)
    assert refused(product, 106).cause == "no-quorum"
    assert failure_of(product.producer.rebuild(902)).cause == "no-quorum", "and nothing is built for it"
    assert len(product.writes()) == written
    assert [product.status(ctid) for ctid in (103, 104, 105, 106)] == ["running"] * 4
    product.simulator.do(pve.regain_quorum)
    for ctid in (103, 104, 105):
        type_on_node(product.simulator, remedies[ctid])
        assert product.producer.destroy(ctid).wait(timeout=60).outcome == "destroyed"
