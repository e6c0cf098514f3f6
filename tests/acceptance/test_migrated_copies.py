"""A copy of a template that takes scripts is cloned where that stands and migrated, where the token may do so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_worker.actions.provision import script_class
from tests.acceptance.scenes import done, failure_of
from tests.acceptance.test_copies import AROUND, COPIES, FIRST, OTHER, copies
from tests.acceptance.test_scripts import write_scripts
from tests.support.crash import ARMED, KILL_AT
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.proxmox import NODE, TOKEN_ID
from tests.support.ssh_node import SshNode, ssh_node
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer import EnsureResult, Handle
    from tests.support.product import Product

__all__ = ["ssh_node"]
NODES = (NODE, OTHER, "pve3", "pve4", "pve5")
LEARNED = f"phoenix:learned:{script_class('features/setup.sh')}"
MOVED = [("clone", FIRST), ("migrate", FIRST), ("configure", FIRST), ("seal", FIRST)]


def scripted(product: Product) -> None:
    """Five nodes; a template with a script, of which a copy is needed on the second."""
    for node in NODES:
        product.simulator.do(product.simulator.pve.nodes.setdefault, node, {"online": True})
    write_scripts(product, setup="#!/bin/sh\necho set up >done\n")
    entries = {900: template(features=["setup"]), 103: container(103, node=OTHER), 104: container(104)}
    product.declare(entries | {ctid: container(ctid, node=OTHER) for ctid in (105, 106)})
    learn(product, *[600] * 9)


def learn(product: Product, *seconds: int) -> None:
    """Let workers know how long the script takes."""
    product.redis.delete(LEARNED)
    product.redis.rpush(LEARNED, *seconds)
    product.redis.expire(LEARNED, 600)


def environ(ssh_node: SshNode, **more: str) -> dict[str, str]:
    addresses = ",".join(f"{node}=127.0.0.1:{ssh_node.port}" for node in NODES)
    return {**COPIES, **ssh_node.environ(PHOENIX_SHELL_ADDRESSES=addresses), **more}


def ran(product: Product) -> int:
    """How often a template was made by its scripts."""
    return len(product.simulator.intervals("vzcreate"))


@pytest.mark.long
def test_a_copy_is_migrated_where_the_token_may(product: Product, ssh_node: SshNode) -> None:
    scripted(product)
    product.start_worker(**environ(ssh_node))
    product.ensure(900)
    plan = product.producer.plan(103).wait(timeout=60)
    assert [action.kind for action in plan.first[0].actions] == ["clone", "migrate", "record", "seal"]
    told = f"CT {FIRST}, a copy of template 900, is migrated from {NODE} to {OTHER}: its scripts need not run again."
    assert told in plan.lines
    result, *more = product.producer.ensure_many([103, 105, 106]).wait(timeout=60)
    made = next(one for one in (result, *more) if FIRST in one.templates_built and ("clone", FIRST) in done(one))
    assert done(made)[:4] == MOVED
    assert told in made.warnings
    assert (copies(product), product.simulator.pve.ct(FIRST).node) == ([FIRST], OTHER)
    assert (ran(product), len(product.simulator.intervals("vzmigrate"))) == (1, 1)
    notes = product.config(FIRST)["description"]
    assert ("to=" in notes, "scripts=setup" in notes, "stage=configured" in notes) == (False, True, True)
    assert product.producer.templates().wait(timeout=60)[0].copies[0].outdated == ()
    assert product.ensure(103).outcome == "unchanged"
    assert product.producer.destroy(900).wait(timeout=60).outcome == "destroyed"
    assert copies(product) == []


def without(product: Product, privilege: str) -> None:
    """Take a privilege from the token."""
    acl = {TOKEN_ID: [(path, held - {privilege}) for path, held in product.simulator.pve.acl[TOKEN_ID]]}
    product.simulator.set(product.simulator.pve, acl=acl)


@pytest.mark.long
def test_a_copy_is_built_where_the_token_may_not_migrate(product: Product, ssh_node: SshNode) -> None:
    scripted(product)
    without(product, "VM.Migrate")
    product.start_worker(**environ(ssh_node))
    product.ensure(900)
    told = (
        f"CT {FIRST}, a copy of template 900, is built on {OTHER}, by its scripts: "
        f"the token lacks VM.Migrate on /vms/{FIRST}."
    )
    assert told in product.producer.plan(103).wait(timeout=60).lines
    result = product.ensure(103)
    assert told in result.warnings
    assert (ran(product), copies(product)) == (2, [FIRST])
    assert product.simulator.intervals("vzmigrate") == []


@pytest.mark.long
def test_a_copy_is_built_where_that_is_quicker(product: Product, ssh_node: SshNode) -> None:
    scripted(product)
    product.start_worker(**environ(ssh_node))
    product.ensure(900)
    learn(product, 3, 3, 3)
    told = (
        f"CT {FIRST}, a copy of template 900, is built on {OTHER}, by its scripts: "
        f"they take 3.0 s as a rule, and a migration from {NODE} to {OTHER} takes about 44 s for 8 GiB."
    )
    assert told in product.producer.plan(103).wait(timeout=60).lines
    assert told in product.ensure(103).warnings
    assert (ran(product), copies(product), product.simulator.intervals("vzmigrate")) == (2, [FIRST], [])


@pytest.mark.long
def test_what_cannot_be_created_there_is_migrated_and_its_clones_are_placed_there(product: Product) -> None:
    """The OS template is on the template's node alone, as one that was uploaded to it."""
    for node in NODES[:2]:
        product.simulator.do(product.simulator.pve.nodes.setdefault, node, {"online": True})
    anywhere = container(104, node=[OTHER, "pve9"], storage_pool="local-lvm")
    product.declare({900: template(), 103: container(103, node=OTHER), 104: anywhere})
    product.start_worker(**COPIES, PHOENIX_PATIENCE="2")
    product.ensure(900)
    product.simulator.do(product.simulator.pve.without_content.add, OTHER)
    held = product.simulator.pve.acl
    without(product, "VM.Migrate")
    refused = failure_of(product.producer.ensure(104))
    assert (refused.cause, f"{OTHER}: no copy of template 900 can be made there: {OS_TEMPLATE}" in refused.message) == (
        "no-node",
        True,
    )
    product.simulator.set(product.simulator.pve, acl=held)
    told = f"CT {FIRST}, a copy of template 900, is migrated from {NODE} to {OTHER}: {OTHER} has no {OS_TEMPLATE}."
    assert told in product.producer.plan(103).wait(timeout=60).lines
    result = product.ensure(104)
    assert (result.outcome, result.node, told in result.warnings) == ("created", OTHER, True)
    assert done(result)[:4] == MOVED
    assert product.ensure(103).templates_built == ()


@pytest.mark.long
def test_what_cannot_be_migrated_after_all_is_built(product: Product, ssh_node: SshNode) -> None:
    scripted(product)
    product.simulator.pve.task_failures["vzmigrate"] = ["storage 'local-lvm' is not happy"]
    product.start_worker(**environ(ssh_node))
    product.ensure(900)
    result = product.ensure(103)
    assert (result.outcome, result.templates_built) == ("created", (FIRST,))
    assert any("by its scripts" in line and "is not happy" in line for line in result.warnings), result.warnings
    assert (ran(product), copies(product), product.simulator.pve.ct(FIRST).node) == (2, [FIRST], OTHER)
    assert product.ensure(105).templates_built == ()


@pytest.mark.long
def test_what_has_arrived_is_converted_whatever_proxmox_left(product: Product, ssh_node: SshNode) -> None:
    """As `PVE::LXC::Migrate` does where the old disk stays: the task fails, and the container is there."""
    scripted(product)
    pve = product.simulator.pve
    product.simulator.set(pve, ct_secs=pve.ct_secs | {"migrate": 0.1})
    product.start_worker(**environ(ssh_node))
    product.ensure(900)
    pve.task_failures["vzmigrate"].append("migration problems")
    product.simulator.do(pve.move_after, FIRST, OTHER, calls=1, ending="/migrate")
    result = product.ensure(103)
    assert (result.outcome, ran(product), copies(product)) == ("created", 1, [FIRST])
    assert any("migration problems" in line for line in result.warnings), result.warnings


@pytest.mark.long
def test_the_template_is_looked_at_once_its_lane_is_held(product: Product, ssh_node: SshNode) -> None:
    scripted(product)
    product.start_worker(**environ(ssh_node))
    product.ensure(900)
    product.simulator.pve.ct_secs["clone"] = 600.0
    first = product.producer.ensure(104)
    wait_for(lambda: product.redis.zcard("phoenix:lock:ct/900") == 1 and product.simulator.pve.ct(104))
    second = product.producer.ensure(103)
    wait_for(lambda: product.redis.zcard("phoenix:lock:ct/900") == 2)
    without(product, "VM.Migrate")
    product.simulator.pve.ct_secs["clone"] = 0.1
    product.simulator.do(product.simulator.pve.hurry)
    result = second.wait(timeout=60)
    assert first.wait(timeout=60).outcome == result.outcome == "created"
    assert any("by its scripts: the token lacks VM.Migrate" in line for line in result.warnings)
    assert (ran(product), copies(product)) == (2, [FIRST])


def killed(product: Product, ssh_node: SshNode, where: str) -> Handle[EnsureResult]:
    """Ask for a container that needs the copy, of a worker that dies there; the template stands."""
    scripted(product)
    doomed = product.start_worker("w1", "tests.support.crashing_worker", **environ(ssh_node, **{KILL_AT: where}))
    product.ensure(900)
    product.redis.set(ARMED, 1)
    handle = product.producer.ensure(103)
    wait_for(lambda: not doomed.running() or handle.done())
    assert not doomed.running(), f"{where} was not reached"
    return handle


POINTS = [f"{point}/{step}" for step in ("clone", "migrate", "seal") for point in AROUND]
POINTS += ["parked", "parked:2", "parked:3", "replace-recorded:2", "before-replace-recorded:2", "effect-done/configure"]
POINTS += ["successor-recorded", "successor-recorded:2", "successor-published:2", "claimed:3", "claimed:5"]


@pytest.mark.crash
@pytest.mark.long
@pytest.mark.parametrize("where", POINTS)
def test_killed_while_a_copy_is_migrated(
    product: Product, ssh_node: SshNode, owned_keys: list[str], where: str
) -> None:
    owned_keys += ["points", ARMED]
    handle = killed(product, ssh_node, where)
    product.start_worker("w2", **environ(ssh_node))
    result = handle.wait(timeout=60)
    assert (result.outcome, result.templates_built) == ("created", (FIRST,))
    assert (copies(product), product.simulator.pve.ct(FIRST).node, ran(product)) == ([FIRST], OTHER, 1)
    made = [one.made for one in product.simulator.intervals("vzclone")]
    assert made == [FIRST, 103], "each once"
    assert len(product.simulator.intervals("vzmigrate")) == 1
    assert "to=" not in product.config(FIRST)["description"]
    assert product.ensure(105).templates_built == ()


@pytest.mark.crash
@pytest.mark.long
@pytest.mark.parametrize("allowed", [True, False], ids=["may-migrate", "may-not"])
@pytest.mark.parametrize("where", ["intent-recorded/migrate", "effect-done/migrate", "effect-done/configure"])
def test_what_a_lost_job_left_is_no_copy_and_becomes_one(
    product: Product, ssh_node: SshNode, owned_keys: list[str], where: str, *, allowed: bool
) -> None:
    """On the template's node it is migrated, or removed and built; on its own it is converted."""
    owned_keys += ["points", ARMED]
    killed(product, ssh_node, where)
    product.redis.flushall()
    wait_for(lambda: all(one.end for one in product.simulator.intervals("vzmigrate")))
    arrived = where != "intent-recorded/migrate"
    assert (copies(product), product.simulator.pve.ct(FIRST).node) == ([FIRST], OTHER if arrived else NODE)
    if not allowed:
        without(product, "VM.Migrate")
    product.start_worker("w2", **environ(ssh_node))
    built = not (arrived or allowed)
    lines = product.producer.plan(106).wait(timeout=60).lines
    assert any(f"destroy CT {FIRST} on {NODE}" in line for line in lines) is built
    results = product.producer.ensure_many([104, 105, 106]).wait(timeout=60)
    assert {one.outcome for one in results} == {"created"}
    assert (copies(product), product.simulator.pve.ct(FIRST).node, ran(product)) == ([FIRST], OTHER, 1 + built)
    vias = [f"via={FIRST}" in product.config(ctid)["description"] for ctid in (104, 105, 106)]
    assert vias == [False, True, True], "the clone was none while it stood beside its template"


@pytest.mark.crash
@pytest.mark.long
@pytest.mark.parametrize("ask", ["destroy", "rebuild"])
def test_what_a_lost_job_left_goes_with_its_template(
    product: Product, ssh_node: SshNode, owned_keys: list[str], ask: str
) -> None:
    owned_keys += ["points", ARMED]
    killed(product, ssh_node, "intent-recorded/migrate")
    product.redis.flushall()
    product.start_worker("w2", **environ(ssh_node, PHOENIX_SCRATCH_CTIDS="9000-9050"))
    getattr(product.producer, ask)(900).wait(timeout=60)
    if ask == "destroy":
        assert (copies(product), product.status(900)) == ([], "absent")
    else:
        assert (copies(product), product.simulator.pve.ct(FIRST).node) == ([FIRST], OTHER)
        assert product.ensure(103).templates_built == ()


@pytest.mark.long
def test_a_template_is_destroyed_with_a_copy_that_is_under_way(product: Product, ssh_node: SshNode) -> None:
    scripted(product)
    product.start_worker(**environ(ssh_node))
    product.ensure(900)
    product.simulator.pve.ct_secs["migrate"] = 1.0
    first = product.producer.ensure(103)
    wait_for(lambda: product.simulator.intervals("vzmigrate"))
    assert not product.redis.exists("phoenix:lock:ct/900"), "the template is held only while it is cloned"
    assert product.producer.destroy(900).wait(timeout=60).outcome == "destroyed"
    assert first.wait(timeout=60).outcome == "created"
    assert (copies(product), product.status(900)) == ([], "absent")


@pytest.mark.long
@pytest.mark.parametrize("step", ["clone", "migrate"])
def test_a_cancelled_job_leaves_what_the_next_one_goes_on_with(product: Product, ssh_node: SshNode, step: str) -> None:
    scripted(product)
    product.start_worker(**environ(ssh_node))
    product.ensure(900)
    product.simulator.pve.ct_secs |= {"clone": 1.0} if step == "clone" else {"migrate": 1.0}
    cancelled = product.producer.ensure(103)
    wait_for(lambda: product.simulator.intervals(f"vz{step}"))
    cancelled.cancel()
    assert failure_of(cancelled).cause == "cancelled"
    product.simulator.pve.ct_secs |= {"clone": 0.1, "migrate": 0.1}
    assert product.ensure(105).outcome == "created"
    assert (copies(product), product.simulator.pve.ct(FIRST).node, ran(product)) == ([FIRST], OTHER, 1)
