"""Templates that are copied to the nodes that need them and do not share their storage."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.core.planned.copies import numbers
from tests.acceptance.scenes import done, failure_of, planned, refused, stand
from tests.acceptance.test_scripts import write_scripts
from tests.integration.test_check import EVERYTHING
from tests.integration.test_check_grants import ELSEWHERE
from tests.support.crash import ARMED, KILL_AT
from tests.support.product import container, template
from tests.support.proxmox import NODE, TOKEN_ID
from tests.support.ssh_node import SshNode, ssh_node
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer import EnsureResult
    from tests.support.product import Product

__all__ = ["ssh_node"]
OTHER = "pve2"
AROUND = ("intent-recorded", "effect-done", "effect-journalled")
"""The points around what is asked of Proxmox."""
CTIDS = range(9100, 9200)
COPIES = {"PHOENIX_COPY_CTIDS": f"{CTIDS[0]}-{CTIDS[-1]}"}
FIRST, SECOND = (ctid for ctid, _ in zip(numbers(900, OTHER, CTIDS), range(2), strict=False))


def two_nodes(product: Product) -> None:
    """There is a second node with the same storages, which the two do not share."""
    product.simulator.do(product.simulator.pve.nodes.setdefault, OTHER, {"online": True})


def copies(product: Product, of: int = 900) -> list[int]:
    """The copies of a template that stand somewhere, by their markers."""
    standing = [ctid for ctid in CTIDS if product.simulator.pve.ct(ctid)]
    return [ctid for ctid in standing if f"copy={of}" in product.config(ctid)["description"]]


def rebuild(product: Product, ctid: int, **options: Any) -> EnsureResult:
    return product.producer.rebuild(ctid, **options).wait(timeout=60)


def test_a_template_is_copied_once_to_the_node_that_needs_it(product: Product) -> None:
    two_nodes(product)
    there = {103: container(103, node=OTHER), 104: container(104, node=[OTHER, "pve9"])}
    product.declare({900: template(), 105: container(105), **there})
    worker = product.start_worker()
    placed = refused(product, 104)
    assert (placed.cause, "pve2: its template 900 lies on" in placed.message) == ("no-node", True)
    failure = refused(product, 103)
    assert (failure.cause, "PHOENIX_COPY_CTIDS" in failure.remedy) == ("storage-not-shared", True)
    assert product.writes() == []
    worker.term()
    worker.wait()
    product.start_worker("w2", **COPIES)
    plan = product.producer.plan(103).wait(timeout=60)
    results = [handle.wait(timeout=60) for handle in product.producer.ensure_many([103, 104, 105])]
    assert [result.outcome for result in results] == ["created"] * 3
    assert copies(product) == [FIRST]
    assert [product.simulator.pve.ct(ctid).node for ctid in (FIRST, 103, 104, 900)] == [OTHER, OTHER, OTHER, NODE]
    assert [part.ctid for part in plan.first] == [FIRST], "the plan tells of the copy"
    assert f"via={FIRST}" in product.config(103)["description"]
    assert "via=" not in product.config(105)["description"]
    assert len(product.simulator.intervals("vztemplate")) == len(product.simulator.intervals("vzcreate")) == 2
    assert product.ensure(103).outcome == "unchanged"
    (shown,) = product.producer.templates().wait(timeout=60)
    lanes = [(one.ctid, one.node, one.exists, one.storage, one.outdated) for one in (shown, *shown.copies)]
    assert lanes == [(900, NODE, "template", "local-lvm", ()), (FIRST, OTHER, "template", "local-lvm", ())]
    assert [one.disks for one in (shown, *shown.copies)] == [{"rootfs": 8.0}] * 2
    assert all(f"hash={one.hash} " in product.config(one.ctid)["description"] for one in (shown, *shown.copies))


def test_an_ensure_of_a_template_configures_its_copies(product: Product) -> None:
    two_nodes(product)
    clone = {103: container(103, node=OTHER)}
    product.declare({900: template(), **clone})
    product.start_worker(**COPIES)
    product.producer.ensure_many([900, 103]).wait(timeout=60)
    product.declare({900: template(memory_mb=768), **clone})
    (shown,) = product.producer.templates().wait(timeout=60)
    told = (
        f"Template {FIRST}, a copy of 900, has an older declaration. To configure it again: `phoenix-lxc ensure 900`."
    )
    assert shown.copies[0].outdated == (told,)
    plan = product.producer.plan(900).wait(timeout=60)
    assert [(part.ctid, part.why, part.needed_by) for part in plan.first] == [(FIRST, "copy", 900)]
    (drift,) = product.producer.drift([900]).wait(timeout=60)
    assert (drift.outdated[-1], plan.warnings) == (told.replace("has an older declaration", "is not as declared"), ())
    result = product.ensure(900)
    assert (done(result), planned(plan.lines), result.warnings) == (
        [("configure", 900), ("configure", FIRST)],
        done(result),
        (),
    )
    assert (product.config(900)["memory"], product.config(FIRST)["memory"]) == ("768", "768")

    copy = product.simulator.pve.ct(FIRST)
    product.simulator.do(copy.config.update, {"memory": "512"})
    assert product.producer.plan(900).wait(timeout=60).outcome == "updated"
    result = product.ensure(900)
    assert (result.outcome, done(result)) == ("updated", [("configure", FIRST)]), (
        "also what somebody has changed by hand"
    )
    assert product.ensure(900).outcome == "unchanged"

    product.declare(
        {900: template(memory_mb=768, storage_size_gb=16), 103: container(103, node=OTHER, storage_size_gb=16)}
    )
    (shown,) = product.producer.templates().wait(timeout=60)
    assert "`phoenix-lxc rebuild 900`" in shown.copies[0].outdated[1]
    plan, *results = product.producer.plan(900).wait(timeout=60), product.ensure(900), product.ensure(900)
    left = [plan.warnings[-1:], *(one.warnings[-1:] for one in results)]
    assert left == [shown.copies[0].outdated[1:]] * 3, "an ensure tells what it leaves"


@pytest.mark.long
def test_a_taken_ctid_is_passed_over_and_a_copy_that_stands_is_used(product: Product) -> None:
    two_nodes(product)
    stand(product, FIRST)
    product.declare({900: template(), 103: container(103, node=OTHER), 104: container(104, node=OTHER)})
    product.start_worker(**COPIES)
    assert product.ensure(103).templates_built == (SECOND,)
    product.simulator.do(product.simulator.pve.cts.remove, product.simulator.pve.ct(FIRST))
    assert product.ensure(104).templates_built == ()
    assert copies(product) == [SECOND]


@pytest.mark.long
def test_a_guest_out_of_sight_is_passed_over(product: Product) -> None:
    two_nodes(product)
    stand(product, FIRST, node=OTHER)
    product.declare({900: template(), 103: container(103, node=OTHER)})
    seen = [(f"/vms/{ctid}", set(EVERYTHING)) for ctid in (900, 103, *CTIDS) if ctid != FIRST]
    product.simulator.set(product.simulator.pve, acl={TOKEN_ID: ELSEWHERE + seen})
    product.start_worker(**COPIES)
    assert [part.ctid for part in product.producer.plan(103).wait(timeout=60).first] == [SECOND]
    assert product.ensure(103).templates_built == (SECOND,)


@pytest.mark.long
def test_containers_are_placed_where_their_template_can_be_copied(product: Product) -> None:
    for node in (OTHER, "pve3"):
        product.simulator.do(product.simulator.pve.nodes.setdefault, node, {"online": True})
    ctids = range(101, 107)
    product.declare(
        {900: template(), 901: container(901, 900), **{ctid: container(ctid, 901, node="any") for ctid in ctids}}
    )
    product.start_worker(**COPIES)
    results = product.producer.ensure_many(list(ctids)).wait(timeout=60)
    assert Counter(one.node for one in results) == {NODE: 2, OTHER: 2, "pve3": 2}
    assert (len(copies(product, 900)), len(copies(product, 901))) == (2, 2)
    assert not product.redis.exists("phoenix:reservations")


@pytest.mark.long
def test_a_template_that_is_placed_is_copied_to_where_it_was_not(product: Product) -> None:
    two_nodes(product)
    there = {103: container(103, node=NODE), 104: container(104, node=OTHER), 105: container(105, node="any")}
    product.declare({900: template(node="any"), **there})
    product.start_worker(**COPIES)
    assert product.ensure(103).templates_built == (900,)
    assert product.ensure(104).templates_built == (FIRST,)
    nodes = [product.simulator.pve.ct(ctid).node for ctid in (900, 103, FIRST, 104)]
    assert nodes == [NODE, NODE, OTHER, OTHER]
    placed = product.ensure(105)
    assert (placed.outcome, placed.templates_built) == ("created", ()), "one is on each of the two nodes"
    product.simulator.do(product.simulator.pve.cts.remove, product.simulator.pve.ct(900))
    assert product.producer.destroy(900).wait(timeout=60).outcome == "destroyed"
    assert copies(product) == [], "although its template, which has no node now, is gone"
    assert not product.redis.exists("phoenix:reservations")


@pytest.mark.long
def test_what_a_template_is_cloned_from_is_copied_too(product: Product) -> None:
    two_nodes(product)
    chain = {900: template(), 901: container(901, 900), 103: container(103, 901, node=OTHER)}
    product.declare({**chain, 104: container(104, 901, node=OTHER, clone="linked")})
    product.start_worker(**COPIES)
    result = product.ensure(103)
    assert product.ensure(104).outcome == "created"
    assert (len(copies(product, 900)), len(copies(product, 901))) == (1, 1)
    assert set(result.templates_built) == {*copies(product, 900), *copies(product, 901)}
    assert product.status(900) == product.status(901) == "absent", "the templates themselves are not needed"
    assert "from=900 " in product.config(copies(product, 901)[0])["description"]


@pytest.mark.long
def test_each_copy_of_a_tree_has_a_ctid_of_its_own_however_few_there_are(product: Product) -> None:
    """Two would be made at the same CTID: nobody waits there for what is made of another, nor for itself."""
    two_nodes(product)
    few = range(9100, 9103)
    assert len({next(numbers(ctid, OTHER, few)) for ctid in (900, 901, 902)}) < len(few)
    tree = {900: template(), 901: container(901, 900), 902: container(902, 901)}
    clones = {103: 902, 104: 901, 105: 900, 106: 902, 107: 901}
    product.declare(tree | {ctid: container(ctid, above, node=OTHER) for ctid, above in clones.items()})
    product.start_worker(PHOENIX_COPY_CTIDS=f"{few[0]}-{few[-1]}")
    assert len(product.ensure(103).templates_built) == len(tree)
    results = product.producer.ensure_many(clones).wait(timeout=60)
    assert [one.outcome for one in results] == ["unchanged", *["created"] * (len(clones) - 1)]
    assert sorted(copy for of in tree for copy in copies(product, of)) == list(few)


@pytest.mark.long
def test_a_template_that_moved_away_is_copied_to_where_it_was(product: Product) -> None:
    two_nodes(product)
    product.declare({900: template(), 103: container(103), 104: container(104, node=OTHER)})
    product.start_worker(**COPIES)
    product.ensure(900)
    assert product.simulator.do(product.simulator.pve.move, 900, OTHER)
    planned = product.producer.plan(103).wait(timeout=60)
    result = product.ensure(103)
    assert (result.node, result.templates_built) == (NODE, tuple(copies(product)))
    assert [part.ctid for part in planned.first] == copies(product)
    assert product.ensure(104).templates_built == (), "the template itself serves its new node"


@pytest.mark.long
def test_clones_take_the_lane_with_the_shortest_line(product: Product) -> None:
    ctids = range(100, 120)
    product.declare({900: template(lanes=2), **{ctid: container(ctid) for ctid in ctids}})
    product.simulator.pve.ct_secs |= {"clone": 0.4}
    product.start_worker(**COPIES)
    first = product.producer.ensure_many(list(ctids[:3])).wait(timeout=60)
    assert copies(product) == [], "no copy is made for a few"
    results = product.producer.ensure_many(list(ctids[3:])).wait(timeout=60)
    assert {result.outcome for result in (*first, *results)} == {"created"}
    (copy,) = copies(product)
    assert (product.simulator.pve.ct(copy).node, product.simulator.pve.ct(900).node) == (NODE, NODE)
    by_copy = sum(f"via={copy}" in product.config(ctid)["description"] for ctid in ctids)
    assert by_copy > 4, "it takes its share"
    assert {product.ensure(ctid).outcome for ctid in ctids} == {"unchanged"}


@pytest.mark.crash
@pytest.mark.long
@pytest.mark.parametrize(
    "where", ["parked:9", "intent-recorded/clone:3", "effect-done/clone:4", "effect-journalled/clone:5"]
)
def test_killed_while_clones_wait_in_two_lanes(product: Product, owned_keys: list[str], where: str) -> None:
    owned_keys += ["points", ARMED]
    ctids = range(100, 112)
    product.declare({900: template(lanes=2), **{ctid: container(ctid) for ctid in ctids}})
    product.simulator.pve.ct_secs |= {"clone": 0.3}
    doomed = product.start_worker("w1", "tests.support.crashing_worker", **COPIES, **{KILL_AT: where})
    product.ensure(900)
    product.redis.set(ARMED, 1)
    handles = product.producer.ensure_many(list(ctids))
    wait_for(lambda: not doomed.running(), timeout=60)
    product.start_worker("w2", **COPIES)
    assert {result.outcome for result in handles.wait(timeout=60)} == {"created"}
    assert len(copies(product)) <= 1
    assert sorted(one.made for one in product.simulator.intervals("vzclone") if one.made) == list(ctids)


@pytest.mark.long
def test_templates_that_run_with_one_address_are_built_one_after_another(product: Product, ssh_node: SshNode) -> None:
    two_nodes(product)
    scripted = template(features=["setup"])
    entries = {900: scripted, 103: container(103, node=OTHER), 104: container(104)}
    write_scripts(product, setup="#!/bin/sh\nsleep 1\n")
    product.declare(entries)
    addresses = ",".join(f"{node}=127.0.0.1:{ssh_node.port}" for node in (NODE, OTHER))
    product.start_worker(**COPIES, **ssh_node.environ(PHOENIX_SHELL_ADDRESSES=addresses))
    results = product.producer.ensure_many([103, 104]).wait(timeout=60)
    assert {result.outcome for result in results} == {"created"}
    began = sorted(one.start for one in product.simulator.intervals("vzcreate"))
    sealed = sorted(one.start for one in product.simulator.intervals("vztemplate"))
    assert (len(began), len(sealed)) == (2, 2)
    assert began[1] > sealed[0], "the second is begun when the first runs no more"


@pytest.mark.crash
@pytest.mark.long
@pytest.mark.parametrize("when", AROUND)
@pytest.mark.parametrize("step", ["create", "seal", "clone"])
def test_killed_while_a_copy_is_made(product: Product, owned_keys: list[str], step: str, when: str) -> None:
    owned_keys += ["points", ARMED]
    two_nodes(product)
    product.declare({900: template(), 103: container(103, node=OTHER)})
    product.redis.set(ARMED, 1)
    doomed = product.start_worker("w1", "tests.support.crashing_worker", **COPIES, **{KILL_AT: f"{when}/{step}"})
    handle = product.producer.ensure(103)
    wait_for(lambda: not doomed.running() or handle.done(), timeout=60)
    assert not doomed.running(), f"{when} was not reached in {step}"
    product.start_worker("w2", **COPIES)
    result = handle.wait(timeout=60)
    assert (result.outcome, result.templates_built) == ("created", (FIRST,))
    assert copies(product) == [FIRST]
    assert [len(product.simulator.intervals(kind)) for kind in ("vzcreate", "vztemplate", "vzclone")] == [1, 1, 1]


@pytest.mark.long
def test_copies_are_rebuilt_and_destroyed_with_their_template(product: Product) -> None:
    two_nodes(product)
    linked = container(104, 901, node=OTHER, clone="linked")
    entries = {900: template(), 901: container(901, 900), 103: container(103, 901, node=OTHER), 104: linked}
    product.declare(entries)
    product.start_worker(**COPIES, PHOENIX_SCRATCH_CTIDS="9000-9050")
    product.producer.ensure_many([901, 103, 104]).wait(timeout=60)
    (of_900,), (of_901,) = copies(product, 900), copies(product, 901)
    for handle in (product.producer.rebuild(901), product.producer.destroy(901)):
        failure = failure_of(handle)
        assert (failure.cause, f"CT {of_901} on {OTHER}" in failure.message) == ("has-linked-clones", True)
    product.producer.destroy(104).wait(timeout=60)
    before = {ctid: product.config(ctid)["description"] for ctid in (901, of_901)}
    assert f"rebuild copy {of_901} of template 901 on {OTHER} likewise" in rebuild(product, 901, dry_run=True).plan
    result = rebuild(product, 901)
    assert (result.outcome, result.ctid, result.templates_built) == ("rebuilt", 901, (901, of_901))
    assert all(product.config(ctid)["description"] != notes for ctid, notes in before.items())
    assert (copies(product, 901), copies(product, 900)) == ([of_901], [of_900])
    assert all(product.status(ctid) == "absent" for ctid in range(9000, 9051)), "nothing is left at scratch CTIDs"
    (drift,) = product.producer.drift([103]).wait(timeout=60)
    assert any("older build of template 901" in line for line in drift.outdated)
    foretold = product.producer.destroy(901, dry_run=True).wait(timeout=60).plan
    assert [f"CT {ctid} on" in line for ctid, line in zip((of_901, 901), foretold, strict=True)] == [True, True]
    gone = product.producer.destroy(901).wait(timeout=60)
    assert (gone.outcome, product.status(901), copies(product, 901)) == ("destroyed", "absent", [])
    assert product.producer.destroy(901).wait(timeout=60).outcome == "unchanged"


@pytest.mark.crash
@pytest.mark.long
@pytest.mark.parametrize(
    "where", ["before-finish:9", "replace-recorded:3", "before-replace-recorded:4", "effect-done/held"]
)
def test_killed_while_a_copy_is_rebuilt(product: Product, owned_keys: list[str], where: str) -> None:
    owned_keys += ["points", ARMED]
    two_nodes(product)
    product.declare({900: template(), 103: container(103, node=OTHER)})
    environ = {**COPIES, "PHOENIX_SCRATCH_CTIDS": "9000-9050"}
    doomed = product.start_worker("w1", "tests.support.crashing_worker", **environ, **{KILL_AT: where})
    product.producer.ensure_many([900, 103]).wait(timeout=60)
    product.redis.set(ARMED, 1)
    handle = product.producer.rebuild(900)
    wait_for(lambda: not doomed.running() or handle.done(), timeout=60)
    assert not doomed.running(), f"{where} was not reached"
    product.start_worker("w2", **environ)
    assert handle.wait(timeout=60).templates_built == (900, FIRST)
    assert copies(product) == [FIRST]
    assert len(product.simulator.intervals("vzdestroy")) == 4, "two templates and what each was built as"


@pytest.mark.crash
@pytest.mark.long
@pytest.mark.parametrize("where", [f"{point}/destroy:2" for point in AROUND] + ["replace-recorded"])
def test_killed_while_a_template_is_destroyed_with_its_copy(
    product: Product, owned_keys: list[str], where: str
) -> None:
    owned_keys += ["points", ARMED]
    two_nodes(product)
    product.declare({900: template(), 103: container(103, node=OTHER)})
    doomed = product.start_worker("w1", "tests.support.crashing_worker", **COPIES, **{KILL_AT: where})
    product.producer.ensure_many([900, 103]).wait(timeout=60)
    product.redis.set(ARMED, 1)
    handle = product.producer.destroy(900)
    wait_for(lambda: not doomed.running() or handle.done(), timeout=60)
    assert not doomed.running(), f"{where} was not reached"
    product.start_worker("w2", **COPIES)
    assert handle.wait(timeout=60).outcome == "destroyed"
    assert (copies(product), product.status(900)) == ([], "absent")
    assert len(product.simulator.intervals("vzdestroy")) == 2, "each is destroyed once"
