"""`rebuild 900`: anew at a scratch CTID while the old one is cloned from, and only then in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from celery import Celery

from phoenix_worker.core.model.marker import read_marker
from tests.acceptance.scenes import before, done, failure_of, in_line, notes, stand, told, waits_for_task
from tests.acceptance.test_scripts import LEAVES_A_FILE, write_scripts
from tests.support.crash import ARMED, KILL_AT
from tests.support.product import container, template
from tests.support.proxmox import NODE
from tests.support.ssh_node import SshNode, ssh_node
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer import EnsureResult
    from tests.support.product import Product

__all__ = ["ssh_node"]

SCRATCH = {"PHOENIX_SCRATCH_CTIDS": "9000-9099"}
BUILT = [("create", 9000), ("seal", 9000)]
REPLACED = [("destroy", 900), ("clone", 900), ("configure", 900), ("seal", 900), ("destroy", 9000)]


def rebuild(product: Product, ctid: int = 900, **options: Any) -> EnsureResult:
    return product.producer.rebuild(ctid, **options).wait(timeout=60)


def stand_sealed(product: Product, ctid: int, **config: Any) -> None:
    stand(product, ctid, rootfs=f"local-lvm:base-{ctid}-disk-0,size=8G", template=1, **config)


def test_the_old_template_is_cloned_from_until_the_new_one_takes_its_place(product: Product) -> None:
    pve = product.simulator.pve
    product.declare({900: template(), **{ctid: container(ctid) for ctid in (103, 104, 105)}})
    product.start_worker(**SCRATCH)
    product.ensure(103)
    product.declare({900: template(memory_mb=2048), **{ctid: container(ctid) for ctid in (103, 104, 105)}})
    lines = rebuild(product, dry_run=True).plan
    assert [line.split(":")[0].split(" (")[0] for line in lines] == [
        "create CT 9000 on pve1 from local",
        "convert CT 9000 on pve1 to a template",
        "destroy CT 900 on pve1, with its disks",
        "clone template 9000 to CT 900 on pve1",
        "configure CT 900 on pve1",
        "convert CT 900 on pve1 to a template",
        "destroy CT 9000 on pve1, with its disks",
    ]
    old, pve.ct_secs["create"] = product.config(900), 600.0
    handle = product.producer.rebuild(900)
    wait_for(lambda: [one for one in product.simulator.intervals("vzcreate") if one.made == 9000])
    assert product.ensure(104).templates_built == ()
    assert product.config(900) == old
    pve.ct_secs |= {"create": 0.0, "clone": 600.0}
    product.simulator.do(pve.hurry)
    wait_for(lambda: [one for one in product.simulator.intervals("vzclone") if one.made == 900])
    late = product.producer.ensure(105)
    wait_for(lambda: in_line(product, "ct/900") == 1)
    pve.ct_secs["clone"] = 0.0
    product.simulator.do(pve.hurry)
    result = handle.wait(timeout=60)
    assert (result.outcome, result.templates_built, done(result)) == ("rebuilt", (900,), BUILT + REPLACED)
    assert product.status(9000) == "absent"
    new = product.config(900)
    assert (new["memory"], new["template"], new["hostname"]) == ("2048", "1", "ct900")
    assert "as=template" in new["description"]
    assert new["rootfs"].startswith("local-lvm:base-900-disk-0")
    assert product.status(103) == "running"
    again = product.ensure(900)
    assert (again.outcome, again.warnings, again.needs_rebuild) == ("unchanged", (), ())
    assert late.wait(timeout=60).templates_built == (), "it waited for the lane"


def test_what_ran_in_the_new_template_is_known_of_it(product: Product, ssh_node: SshNode) -> None:
    product.declare({900: template(features=["base"]), 103: container(103)})
    write_scripts(product, base=LEAVES_A_FILE)
    product.start_worker(**SCRATCH, **ssh_node.environ())
    steps = ("create", "start", "provision", "stop", "seal")
    assert done(rebuild(product)) == [*((step, 9000) for step in steps), *REPLACED]
    marker = product.config(900)["description"]
    assert "from=ubuntu-24.04" in marker
    assert "scripts=base:" in marker
    again = product.ensure(900)
    assert (again.outcome, again.needs_rebuild) == ("unchanged", ())
    assert product.ensure(103).templates_built == ()


def test_what_cannot_be_rebuilt_is_refused_before_anything_is_written(product: Product) -> None:
    linked = container(104, 903, clone="linked", storage_pool="local-zfs")
    roots = {ctid: template(ctid) for ctid in (900, 901, 902, 904)} | {903: template(903, storage_pool="local-zfs")}
    clones = {ctid: container(ctid, source) for ctid, source in ((103, 900), (105, 901), (106, 902), (107, 904))}
    product.declare({**roots, **clones, 104: linked})
    stand_sealed(product, 900)
    stand(product, 901, running=True, description=notes(901))
    stand(product, 9002, description=notes(9002, "template"))
    stand_sealed(product, 904, description=notes(904, "template"))
    product.simulator.do(product.simulator.pve.add_vm, 9004, name="windows", node=NODE)
    worker = product.start_worker("w1")
    unset = failure_of(product.producer.rebuild(900))
    assert (unset.cause, "PHOENIX_SCRATCH_CTIDS" in unset.remedy) == ("no-scratch", True)
    product.ensure(104)
    worker.kill()
    product.start_worker("w2", **SCRATCH)
    written = len(product.writes())
    causes = {
        900: ("not-ours", "without a marker of phoenix-lxc"),
        901: ("role-changed", "running container named 'theirs' with a marker of phoenix-lxc (role: container)"),
        902: (
            "scratch-taken",
            "CT 9002 on pve1 is a stopped container named 'theirs' with a marker of phoenix-lxc (role: template)",
        ),
        903: ("has-linked-clones", "it has linked clones: CT 104."),
        904: ("scratch-taken", "a VM"),
        103: ("not-a-template", "only templates are rebuilt"),
        999: ("not-declared", "Unable to rebuild CT 999"),
    }
    handles = {ctid: product.producer.rebuild(ctid) for ctid in causes}
    for ctid, (cause, words) in causes.items():
        failure = failure_of(handles[ctid])
        assert failure.cause == cause, told(failure)
        assert words in failure.message
        assert failure.remedy
    assert len(product.writes()) == written


def test_what_an_earlier_rebuild_left_is_made_anew(product: Product) -> None:
    product.declare({900: template(), 901: container(901, 900), 103: container(103, 901)})
    product.start_worker(**SCRATCH)
    product.ensure(103)
    stand_sealed(product, 9001, description=notes(9001, "scratch"))
    result = rebuild(product, 901)
    assert done(result)[:4] == [("destroy", 9001), ("clone", 9001), ("configure", 9001), ("seal", 9001)]
    assert [step.source for step in result.steps if step.name == "clone"] == [900, 9001]


def test_cancelled_or_failed_it_leaves_nothing_that_the_next_one_cannot_go_on_with(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    product.start_worker(**SCRATCH)
    product.ensure(900)
    pve, old = product.simulator.pve, product.config(900)
    pve.ct_secs["create"] = 600.0
    handle = product.producer.rebuild(900)
    waits_for_task(product, "vzcreate")
    assert handle.cancel().wait(timeout=60) == "cancelled"
    assert failure_of(handle).warnings == ("Nothing is left of CT 9000 on pve1.",)
    assert (product.config(900), product.status(9000)) == (old, "absent")

    pve.ct_secs["create"] = 0.0
    pve.task_failures["vzclone"] = ["No space left on device"]
    failure = failure_of(product.producer.rebuild(900))
    assert (failure.cause, failure.warnings) == ("no-space", ("CT 900 was destroyed.",))
    assert (product.status(900), product.config(9000)["template"]) == ("absent", "1")
    before(product, "POST", "/9000/template", lambda: pve.ct(9000).config.update(description="theirs"))
    assert done(rebuild(product)) == REPLACED, "the next one goes on where that was cut off"
    failure = failure_of(product.producer.rebuild(900))
    assert failure.cause == "changed-meanwhile", "what stands at the scratch CTID is looked at before 900 goes"
    assert product.config(900)["template"] == "1"


def test_templates_are_rebuilt_after_those_that_they_are_cloned_from(product: Product) -> None:
    product.declare({900: template(), 901: container(901, 900), 103: container(103, 901)})
    product.start_worker(**SCRATCH)
    product.ensure(103)
    first = read_marker(product.config(900)["description"])
    assert first is not None
    assert all(one.outdated == () for one in product.producer.drift().wait(timeout=60))

    results = product.producer.rebuild_many([901, 900]).wait(timeout=60)
    begun = {(step.name, step.ctid): step.started for one in results for step in one.steps}
    assert [one.ctid for one in results] == [901, 900]
    assert begun["destroy", 9000] < begun["clone", 9001]
    root, child = (read_marker(product.config(ctid)["description"]) for ctid in (900, 901))
    assert root is not None
    assert child is not None
    assert child.build == root.creation != first.creation
    drifts = {one.ctid: one.outdated for one in product.producer.drift().wait(timeout=60)}
    assert (drifts[900], drifts[901]) == ((), ())
    (old,) = drifts[103]
    assert "CT 103 is outdated: it was cloned from an older build of template 901." in old
    (standing,) = product.producer.status([103]).wait(timeout=60)
    assert standing.outdated == (old,)
    assert old in product.producer.plan(103).wait(timeout=60).warnings

    rebuild(product, 900)
    (child_is_old,) = product.producer.drift([901]).wait(timeout=60)[0].outdated
    assert "(it was cloned from an older build of template 900)" in child_is_old
    product.producer.destroy(103).wait(timeout=60)
    again = product.ensure(103)
    assert again.warnings == (f"The template was cloned as it is. {child_is_old}",)


@pytest.mark.long
def test_a_tree_whose_rebuild_failed_half_way_is_built_of_the_new_templates_the_next_time(product: Product) -> None:
    """What that left at the scratch CTIDs was cloned from builds that the next rebuild replaces."""
    two = {"node": "pve2"}
    product.simulator.do(product.simulator.pve.nodes.setdefault, "pve2", {"online": True})
    product.declare(
        {900: template(), 901: container(901, 900), 902: container(902, 901), 103: container(103, 902)}
        | {104: container(104, 902, **two)}
    )
    product.start_worker(**SCRATCH, PHOENIX_COPY_CTIDS="9100-9109")
    for ctid in (103, 104):
        product.ensure(ctid)
    pve = product.simulator.pve
    (copy,) = (one.vmid for one in pve.cts if one.vmid >= 9100 and one.config["hostname"] == "ct901")
    failures = pve.task_failures["vzclone"]
    for gone in (901, copy):
        before(product, "DELETE", f"/lxc/{gone}", lambda: failures.append("clone failed: No space left on device"))
        root, *others = product.producer.rebuild_many([900, 901, 902])
        assert root.wait(timeout=60).outcome == "rebuilt"
        assert [failure_of(one).cause for one in others] == ["no-space", "dependency"]
        again = product.producer.rebuild_many([900, 901, 902]).wait(timeout=60)
        assert [one.outcome for one in again] == ["rebuilt"] * 3
        for ctid in (901, copy):
            marker = read_marker(product.config(ctid)["description"])
            assert marker is not None
            above = read_marker(product.config(marker.via or 900)["description"])
            assert above is not None
            assert marker.build == above.creation, ctid
    drifts = {one.ctid: one.outdated for one in product.producer.drift().wait(timeout=60)}
    assert [drifts[ctid] for ctid in (900, 901, 902)] == [(), (), ()]


@pytest.mark.long
def test_a_sender_that_knows_nothing_of_the_tree_names_what_is_rebuilt_together(product: Product) -> None:
    product.declare({900: template(), 901: container(901, 900), 103: container(103, 901)})
    product.start_worker(**SCRATCH)
    product.ensure(103)
    together = {"901": str(uuid4()), "900": str(uuid4())}
    with Celery("theirs", broker=product.redis_url, backend=product.redis_url, set_as_current=False) as app:
        sent = app.send_task(
            "phoenix.rebuild", [901], {"together": together}, task_id=together["901"], queue="phoenix.upkeep"
        )
        assert sent.get(timeout=60)["outcome"] == "rebuilt"
        assert app.AsyncResult(together["900"]).get(timeout=60)["outcome"] == "rebuilt", "its own was never sent"
        failed = app.send_task(
            "phoenix.rebuild",
            [901],
            {"together": {"900": together["901"]}},
            queue="phoenix.upkeep",
            task_id=str(uuid4()),
        )
        with pytest.raises(Exception, match="is not a request for 900"):
            failed.get(timeout=60)
    pve = product.simulator.pve
    pve.ct_secs["create"] = 600.0
    root, child = product.producer.rebuild(900), product.producer.rebuild(901)
    waits_for_task(product, "vzcreate")
    wait_for(lambda: "the rebuild of template 900" in str(product.redis.xrevrange(f"phoenix:job:{child.id}:log")))
    pve.ct_secs["create"] = 0.0
    product.simulator.do(pve.hurry)
    destroyed, cloned = root.wait(timeout=60).steps[-1], child.wait(timeout=60).steps[0]
    assert destroyed.started < cloned.started, "one that is under way is waited for, whoever asked for it"
    pve.task_failures["vzcreate"] = ["No space left on device"]
    failure, _ = map(failure_of, product.producer.rebuild_many([901, 900]))
    assert failure.cause == "dependency"
    assert "the rebuild of its template 900 failed. " in failure.message


KILLS = ["effect-done/create", "replace-recorded", "effect-done/destroy", "effect-done/clone"]


@pytest.mark.crash
@pytest.mark.long
def test_killed_at_each_stage_it_goes_on_where_it_was(product: Product, owned_keys: list[str]) -> None:
    owned_keys += ["points", ARMED]
    product.declare({900: template(), 103: container(103)})
    stand_sealed(product, 900, description=notes(900, "template"), memory=64)
    pve = product.simulator.pve
    pve.ct_secs |= {"create": 0.2, "clone": 0.2, "template": 0.2, "destroy": 0.2}
    product.redis.set(ARMED, 1)
    app = "tests.support.crashing_worker"
    doomed = product.start_worker("w0", app, **SCRATCH, **{KILL_AT: KILLS[0]})
    handle = product.producer.rebuild(900)
    for number, kill in enumerate([*KILLS[1:], ""], start=1):
        wait_for(lambda doomed=doomed: not doomed.running() or handle.done())  # type: ignore[misc]  # mypy: a default
        assert not doomed.running(), f"{KILLS[number - 1]} was not reached"
        doomed = product.start_worker(f"w{number}", app, **SCRATCH, **{KILL_AT: kill})
    result = handle.wait(timeout=60)
    assert (result.outcome, done(result)) == ("rebuilt", BUILT + REPLACED)
    kinds = [one.kind for one in product.simulator.intervals()]
    assert kinds == ["vzcreate", "vztemplate", "vzdestroy", "vzclone", "vztemplate", "vzdestroy"]
    assert (product.config(900)["memory"], product.status(9000)) == ("512", "absent")
