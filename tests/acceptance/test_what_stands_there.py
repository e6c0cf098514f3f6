"""The ownership table at work: what a worker does about what it finds on the node, and what it leaves alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_producer import EnsureFailed
from phoenix_worker.core.model.ports import CloneOrder, CreateOrder
from phoenix_worker.proxmox.api import ProxmoxApi
from phoenix_worker.proxmox.connection import Access
from tests.acceptance.scenes import before, done, failure_of, net0, notes, planned, refused, stand, writes_to
from tests.support.crash import ARMED, KILL_AT
from tests.support.node_typing import type_on_node
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.proxmox import NODE
from tests.support.ssh_node import SshNode, ssh_node
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product

__all__ = ["ssh_node"]
ADMIN, ADMIN_SECRET = "admin@pve!shell", "0f0f0f0f-0000-4000-8000-000000000000"


def admins(product: Product) -> ProxmoxApi:
    """Proxmox through another token than the workers'."""
    pve = product.simulator.pve
    pve.apitokens[ADMIN] = ADMIN_SECRET
    pve.acl[ADMIN] = next(iter(pve.acl.values()))
    user, _, name = ADMIN.partition("!")
    access = Access(product.simulator.host, user, name, ADMIN_SECRET, product.simulator.ca_file)
    return ProxmoxApi(access)


def clone_order(ctid: int, source: int, description: str) -> CloneOrder:
    return CloneOrder(NODE, source, ctid, f"ct{ctid}", description, full=True, storage="local-lvm")


def upid_making(product: Product, ctid: int) -> str:
    """Wait until a CTID is being made."""
    intervals = product.simulator.intervals
    return wait_for(lambda: next((one.upid for one in intervals() if one.made == ctid), ""))


def test_clones_are_made_from_a_finished_template_whoever_made_it(product: Product) -> None:
    catalog = {900: template(), 901: template(901), 103: container(103, 900), 104: container(104, 901)}
    product.declare(catalog)
    product.simulator.add_template(900, hostname="ct900", net0=net0(catalog[900]["mac_address"]))
    product.simulator.add_template(901, hostname="golden")
    untouched = [product.config(900), product.config(901)]
    product.start_worker()
    for ctid, source in ((103, 900), (104, 901)):
        theirs = f"Template {source} has no marker of phoenix-lxc: it"
        assert product.ensure(ctid, dry_run=True).warnings == (f"{theirs} would be cloned as it is, not as declared.",)
        result = product.ensure(ctid)
        assert (result.outcome, result.templates_built) == ("created", ())
        assert result.warnings == (f"{theirs} was cloned as it is, not as declared.",)
    assert [product.config(900), product.config(901)] == untouched
    assert writes_to(product, 900) == writes_to(product, 901) == ["POST /clone"]
    assert refused(product, 901).cause == "not-ours", "what it is not asked to clone from is judged like any other"


def test_templates_of_ours_that_are_half_way_are_finished(product: Product) -> None:
    product.declare({900: template(), 901: template(901), 103: container(103, 900), 104: container(104, 901)})
    stand(product, 900, hostname="ct900", description=notes(900, "template"))
    stand(product, 901, running=True, hostname="ct901", description=notes(901, "template", "made"))
    product.start_worker()
    lines = product.ensure(104, dry_run=True).plan
    results = {ctid: product.ensure(ctid) for ctid in (103, 104)}
    made = [("clone", 103), ("configure", 103), ("start", 103)]
    assert done(results[103]) == [("configure", 900), ("seal", 900), *made]
    assert [step for step, ctid in done(results[104]) if ctid == 901] == ["configure", "stop", "seal"]
    assert planned(lines) == done(results[104])
    assert {ctid: result.templates_built for ctid, result in results.items()} == {103: (900,), 104: (901,)}
    assert product.config(901)["template"] == "1"
    assert product.config(901)["rootfs"].startswith("local-lvm:base-901-")
    assert product.config(901)["hostname"] == "ct901"
    assert product.simulator.intervals("vzcreate") == []


def test_what_is_somebody_elses_is_refused_before_anything_is_written(product: Product) -> None:
    roots = {ctid: template(ctid) for ctid in (900, 901, 902)}
    clones = {103: container(103, 900), 104: container(104, 901), 105: container(105, 902)}
    alone = {ctid: container(ctid, None, template=OS_TEMPLATE) for ctid in (106, 107, 108, 109, 110)}
    product.declare({**roots, **clones, **alone})
    stand(product, 900, running=True)
    stand(product, 901)
    stand(product, 902, description=notes(902, "container"))
    stand(product, 106, hostname="ct106")
    stand(product, 107, description=notes(106))
    stand(product, 108, description=notes(108, "template"))
    product.simulator.do(product.simulator.pve.add_vm, 109, name="windows", node=NODE)
    stand(product, 110, node="pve2")
    expected = {
        103: ("not-ours", "CT 900 on pve1 is a running container named 'theirs' without a marker of phoenix-lxc"),
        104: ("not-ours", "CT 901 on pve1 is a stopped container named 'theirs' without a marker of phoenix-lxc"),
        105: ("role-changed", "(role: container), and the catalog now declares a template"),
        106: ("not-ours", "CT 106 on pve1 is a stopped container named 'ct106' without a marker of phoenix-lxc"),
        107: ("not-ours", "with the marker of CT 106 (a copy that phoenix-lxc did not make)"),
        108: ("role-changed", "(role: template), and the catalog now declares a container"),
        109: ("vm-has-id", "a VM"),
        110: ("other-node", "on pve2"),
    }
    product.start_worker()
    handles = {ctid: product.producer.ensure(ctid) for ctid in expected}
    for ctid, (cause, words) in expected.items():
        failure = failure_of(handles[ctid])
        assert (failure.cause, failure.ctid) == (cause, ctid)
        assert words in failure.message
        assert failure.remedy
    assert refused(product, 103, dry_run=True).cause == "not-ours", "a dry run tells the same"
    assert product.writes() == []

    assert "--adopt" in refused(product, 106).remedy
    adopted = product.ensure(106, adopt=True)
    assert (adopted.outcome, done(adopted)) == ("updated", [("configure", 106), ("start", 106)])
    assert "ctid=106" in product.config(106)["description"]
    assert product.ensure(106).outcome == "unchanged", "it is ours from now on"


def test_by_its_name_and_mac_alone_a_container_is_configured_and_neither_started_nor_stopped(product: Product) -> None:
    entries = {103: container(103), 104: container(104, state="stopped")}
    product.declare({900: template(), **entries})
    for ctid, entry in entries.items():
        own = {"hostname": entry["name"], "net0": net0(entry["mac_address"]), "description": "Mind the gap."}
        stand(product, ctid, running=ctid == 104, memory=256, **own)
    product.start_worker()
    for ctid in (103, 104):
        lines = product.ensure(ctid, dry_run=True).plan
        result = product.ensure(ctid)
        assert (result.outcome, done(result)) == ("updated", [("configure", ctid)])
        assert planned(lines) == done(result)
        assert {change.key for change in result.changes} >= {"memory", "net0"}
        assert any("recognized by its hostname and MAC" in warning for warning in result.warnings)
        assert writes_to(product, ctid) == ["PUT /config"]
        assert f"ctid={ctid} id=adopted" in product.config(ctid)["description"]
        assert product.config(ctid)["description"].startswith("Mind the gap.")
    assert (product.status(103), product.status(104)) == ("stopped", "running")


def test_what_turns_out_to_be_somebody_elses_just_before_its_start_is_not_started(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    product.start_worker()
    product.ensure(103, state="stopped")
    found = product.simulator.pve.ct(103)
    assert found is not None
    theirs = {"description": "theirs", "hostname": "theirs"}
    before(product, "GET", "/103/status/current", lambda: found.config.update(theirs))
    failure = refused(product, 103)
    assert (failure.cause, product.status(103)) == ("not-ours", "stopped")
    assert "POST /status/start" not in writes_to(product, 103)


def test_what_turns_out_to_be_somebody_elses_just_before_its_stop_goes_on(product: Product) -> None:
    """The first look is for the plan, the second before the notes are written, the third is that of the stop."""
    product.declare({900: template(), 103: container(103)})
    product.start_worker()
    product.ensure(103)
    found = product.simulator.pve.ct(103)
    assert found is not None
    product.declare({900: template(), 103: container(103, state="stopped")})
    theirs = {"description": "theirs", "hostname": "theirs"}
    before(product, "GET", "/103/config", lambda: found.config.update(theirs), asked=3)
    failure = refused(product, 103)
    assert (failure.cause, product.status(103)) == ("not-ours", "running")
    assert "POST /status/shutdown" not in writes_to(product, 103)


def test_a_look_comes_just_before_each_start_and_that_of_configuring_a_new_clone_counts(product: Product) -> None:
    """103 is cloned and 104 created; then both are started once more."""
    catalog = {900: template(), 103: container(103), 104: container(104, None, template=OS_TEMPLATE)}
    product.declare(catalog)
    product.start_worker()

    def before_its_start(ctid: int) -> list[str]:
        product.ensure(ctid)
        base = f"/nodes/{NODE}/lxc/{ctid}"
        calls = [f"{method} {path.removeprefix(base)}" for method, path in product.calls() if path.startswith(base)]
        return calls[: len(calls) - calls[::-1].index("POST /status/start") - 1]

    assert before_its_start(103)[-2:] == ["GET /config", "PUT /config"]
    assert before_its_start(104)[-1] == "GET /config"
    for ctid in (103, 104):
        product.ensure(ctid, state="stopped")
        assert before_its_start(ctid)[-1] == "GET /config"


def test_what_is_being_made_is_waited_for_and_looked_at_again(product: Product) -> None:
    product.declare({900: template(), 103: container(103), 104: container(104, None, template=OS_TEMPLATE)})
    product.simulator.add_template(900)
    pve = product.simulator.pve
    pve.ct_secs |= {"clone": 600.0, "create": 600.0}
    ours, theirs = ProxmoxApi(product.simulator.access), admins(product)
    product.start_worker()
    ours.clone(clone_order(103, 900, notes(103, stage="made")))
    quick = {"hostname": "quick", "storage": "local-lvm"}
    theirs.create(CreateOrder(NODE, 104, OS_TEMPLATE, unprivileged=True, config=quick))
    written = len(product.writes())
    handles = {ctid: product.producer.ensure(ctid) for ctid in (103, 104)}
    wait_for(lambda: {("GET", f"/nodes/{NODE}/lxc/{ctid}/config") for ctid in handles} <= set(product.calls()))
    assert [one.end for one in product.simulator.intervals()] == [None, None]
    product.simulator.do(pve.hurry)
    assert done(handles[103].wait(timeout=60)) == [("configure", 103), ("start", 103)]
    failure = failure_of(handles[104])
    assert failure.cause == "not-ours"
    assert "named 'quick'" in failure.message
    assert not [path for _, path in product.writes()[written:] if "/104" in path]
    assert [interval.made for interval in product.simulator.intervals("vzclone")] == [103], "nothing was begun twice"


def test_what_a_dead_proxmox_worker_left_is_told_with_the_commands_that_clear_it(product: Product) -> None:
    roots = {ctid: template(ctid) for ctid in (900, 901)}
    own = {ctid: container(ctid, None, template=OS_TEMPLATE) for ctid in (105,)}
    product.declare({**roots, **own, 103: container(103, 900), 104: container(104, 901)})
    pve = product.simulator.pve
    for ctid in roots:
        product.simulator.add_template(ctid)
    pve.ct_secs |= {"clone": 60.0, "create": 60.0}
    upid = ProxmoxApi(product.simulator.access).clone(clone_order(103, 900, notes(103, stage="made")))
    product.simulator.do(pve.kill_worker, upid)
    product.start_worker()
    handles = {ctid: product.producer.ensure(ctid) for ctid in (103, 104, 105)}
    for made in (104, 105):
        product.simulator.do(pve.kill_worker, upid_making(product, made))
    remedies = []
    for ctid, handle in handles.items():
        failure = failure_of(handle)
        assert failure.cause == "half-made"
        assert f"`pct unlock {ctid}`" in failure.remedy
        assert f"`pct destroy {ctid} --destroy-unreferenced-disks 1`" in failure.remedy
        assert ("pct unlock 901" in failure.remedy) is (ctid == 104)
        remedies.append(failure.remedy)
    assert not [call for call in product.writes() if call[0] == "DELETE"]
    assert product.config(103)["lock"] == "create", "no API call clears it"
    pve.ct_secs |= {"clone": 0.05, "create": 0.05}
    for remedy in remedies:
        type_on_node(product.simulator, remedy)
    failure = refused(product, 103)
    assert failure.cause == "locked", "its template is, by the administrator's own clone"
    type_on_node(product.simulator, failure.remedy)
    assert [product.ensure(ctid).outcome for ctid in handles] == ["created"] * 3


@pytest.mark.crash
def test_what_two_dead_workers_left_is_told_with_the_lock_of_the_template_and_at_once(
    product: Product, owned_keys: list[str]
) -> None:
    """Ours died between order and journal, Proxmox's in the middle of the clone: nothing clears that by itself."""
    owned_keys += ["points", ARMED]
    product.declare({900: template(), 103: container(103), 104: container(104)})
    product.simulator.add_template(900)
    pve = product.simulator.pve
    pve.ct_secs["clone"] = 600.0
    product.redis.set(ARMED, 1)
    doomed = product.start_worker("w1", "tests.support.crashing_worker", **{KILL_AT: "effect-done/clone"})
    handle = product.producer.ensure(103)
    wait_for(lambda: not doomed.running())
    product.simulator.do(pve.kill_worker, product.simulator.intervals("vzclone")[0].upid)
    product.start_worker("w2", PHOENIX_PATIENCE="3600")
    failure = failure_of(handle)
    assert failure.cause == "half-made"
    assert "`pct unlock 103`" in failure.remedy
    assert "`pct unlock 900`" in failure.remedy


def test_notes_that_people_edited_are_still_ours(product: Product) -> None:
    leading_blank = "  phoenix-lxc: a=b\nrest"
    product.declare({900: template(), 103: container(103, description=leading_blank), 104: container(104)})
    product.start_worker()
    for ctid in (103, 104):
        product.ensure(ctid)
        assert product.ensure(ctid).outcome == "unchanged"
    ours = product.config(104)["description"]
    theirs = f"phoenix-lxc: owner=bob\r\n\t{ours}  \r\nAsk Ann first.\r\n"
    product.simulator.pve.ct(104).config["description"] = theirs
    assert product.ensure(104).outcome == "unchanged"
    product.declare({900: template(), 104: container(104, memory_mb=1024)})
    assert product.ensure(104).outcome == "updated"
    kept, ours = product.config(104)["description"].split("\n\n")
    assert kept == "phoenix-lxc: owner=bob\nAsk Ann first."
    assert ours.startswith("phoenix-lxc: ctid=104 ")


def test_notes_that_would_be_too_long_are_refused_before_anything_is_made(product: Product, ssh_node: SshNode) -> None:
    features = [f"feature_{number}" for number in range(20)]
    folder = product.catalog.parent / "features"
    folder.mkdir()
    for feature in features:
        (folder / f"{feature}.sh").write_text("#!/bin/sh\n")
    long = container(103, description="x" * 8000, features=features)
    product.declare({900: template(), 103: long, 104: container(104)})
    product.start_worker(**ssh_node.environ())
    failure = refused(product, 103)
    assert (failure.cause, product.writes()) == ("notes-too-long", [])
    assert "Proxmox takes 8192" in failure.message
    with pytest.raises(EnsureFailed, match="Proxmox takes 8192"):
        product.producer.plan(103).wait(timeout=60)
    product.ensure(104)
    written = len(product.writes())
    product.declare({900: template(), 104: container(104, description="x" * 8000, features=features)})
    failure = refused(product, 104)
    assert (failure.cause, len(product.writes())) == ("notes-too-long", written)
