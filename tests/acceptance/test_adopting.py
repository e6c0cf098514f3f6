"""`adopt`: what an earlier tool made is taken over; nothing that serves somebody becomes a template unasked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.scenes import before, done, failure_of, net0, notes, stand, told, waits_for_task, writes_to
from tests.acceptance.test_inspect import cli
from tests.support.crash import ARMED, KILL_AT
from tests.support.product import container, template
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer import EnsureResult
    from tests.support.product import Product

SNAPSHOTS = ("pre-configured", "final-form")
SEALING = ["mark", "stop", "drop-snapshots", "seal"]


def adopt(product: Product, ctid: int, **options: Any) -> EnsureResult:
    return product.producer.adopt(ctid, **options).wait(timeout=60)


def made_by_an_earlier_tool(product: Product, ctid: int, **config: Any) -> None:
    """A container that runs and has two snapshots."""
    stand(product, ctid, running=True, description="Made by hand.", **config)
    found = product.simulator.pve.ct(ctid)
    assert found is not None
    for age, name in enumerate(SNAPSHOTS):
        product.simulator.do(found.snapshots.__setitem__, name, {"snaptime": age + 1})


def test_a_container_is_marked_and_nothing_else_and_a_template_to_be_is_sealed(product: Product) -> None:
    product.declare({900: template(), 103: container(103), 104: container(104)})
    made_by_an_earlier_tool(product, 900)
    stand(product, 103, running=True, memory=64, onboot=1, description="Mind the gap.")
    product.start_worker()
    foretold = adopt(product, 900, dry_run=True)
    assert (foretold.outcome, foretold.plan) == (
        "adopted",
        (
            "add the marker of phoenix-lxc (role: template) to the notes of CT 900 on pve1",
            "stop CT 900 on pve1: before it becomes a template",
            "delete the snapshots of CT 900 on pve1: final-form, pre-configured",
            "convert CT 900 on pve1 to a template",
        ),
    )
    assert product.writes() == []
    result = adopt(product, 900)
    assert (result.outcome, done(result)) == ("adopted", [(name, 900) for name in SEALING])
    assert product.config(900)["template"] == "1"
    assert product.config(900)["rootfs"].startswith("local-lvm:base-900-")
    assert "Made by hand.\n\nphoenix-lxc: ctid=900 id=adopted as=template" in product.config(900)["description"]

    old = product.config(103)
    marked = "add the marker of phoenix-lxc (role: container) to the notes of CT 103 on pve1"
    assert adopt(product, 103, dry_run=True).plan == (marked,)
    assert done(adopt(product, 103)) == [("mark", 103)]
    assert writes_to(product, 103) == ["PUT /config"]
    assert {key: value for key, value in product.config(103).items() if key != "description"} == {
        key: value for key, value in old.items() if key != "description"
    }
    assert product.config(103)["description"].startswith(
        "Mind the gap.\n\nphoenix-lxc: ctid=103 id=adopted as=container"
    )
    assert product.status(103) == "running"

    written = len(product.writes())
    assert [adopt(product, ctid).outcome for ctid in (900, 103)] == ["unchanged", "unchanged"]
    nothing = adopt(product, 104)
    assert (nothing.outcome, nothing.warnings) == ("unchanged", ("There is no CT 104 on pve1.",))
    assert len(product.writes()) == written
    assert product.ensure(104).templates_built == ()
    assert {change.key for change in product.ensure(103).changes} >= {"memory", "hostname"}


def test_what_may_serve_somebody_becomes_a_template_only_by_name(product: Product) -> None:
    roots = {ctid: template(ctid, is_template=True) for ctid in (900, 901, 903, 904)}
    product.declare({**roots, 902: template(902, is_template=True, ports=["80:80"]), 105: container(105)})
    stand(product, 900, running=True, onboot=1)
    stand(product, 901, running=True, description=notes(901))
    stand(product, 902)
    product.simulator.do(product.simulator.pve.add_vm, 903, name="windows", node=NODE)
    stand(product, 904, lock="create")
    product.simulator.add_template(105)
    product.start_worker(PHOENIX_PATIENCE="0.2")
    causes = {
        900: ("is-a-service", "it starts at boot", "--seal 900"),
        901: ("role-changed", "(role: container), and the catalog now declares a template", "--seal 901"),
        902: ("is-a-service", "it has ports", "--seal 902"),
        903: ("vm-has-id", "a VM", ""),
        904: ("half-made", "half-made", "pct unlock 904"),
        105: ("not-ours", "the catalog declares a container", ""),
        999: ("not-declared", "Unable to adopt CT 999", ""),
    }
    handles = {ctid: product.producer.adopt(ctid) for ctid in causes}
    for ctid, (cause, words, remedy) in causes.items():
        failure = failure_of(handles[ctid])
        assert failure.cause == cause, told(failure)
        assert words in failure.message
        assert remedy in failure.remedy
    assert product.writes() == []
    for ctid, steps in ((900, ["mark", "stop", "seal"]), (901, ["mark", "stop", "seal"]), (902, ["mark", "seal"])):
        assert done(adopt(product, ctid, seal=True)) == [(name, ctid) for name in steps]
        assert product.config(ctid)["template"] == "1"


def test_a_service_that_shows_as_one_only_just_before_the_mark_is_left_alone(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    stand(product, 900, net0=net0())
    product.start_worker()
    found = product.simulator.pve.ct(900)
    assert found is not None
    before(product, "GET", "/900/snapshot", lambda: found.config.update(onboot=1))
    assert failure_of(product.producer.adopt(900)).cause == "is-a-service"
    assert product.writes() == []


def test_notes_without_room_for_our_line_are_refused_before_the_question(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    stand(product, 103, description="x" * 8150)
    product.start_worker()
    failure = failure_of(product.producer.adopt(103, dry_run=True))
    assert (failure.cause, product.writes()) == ("notes-too-long", [])
    assert failure.remedy.startswith("Shorten its notes in Proxmox by ")


KILLS = ["effect-done/stop", "effect-done/drop-final-form"]


@pytest.mark.crash
def test_killed_at_each_stage_it_goes_on_where_it_was(product: Product, owned_keys: list[str]) -> None:
    owned_keys += ["points", ARMED]
    product.declare({900: template(), 103: container(103)})
    made_by_an_earlier_tool(product, 900)
    pve = product.simulator.pve
    pve.ct_secs["delsnapshot"] = 600.0
    product.redis.set(ARMED, 1)
    app = "tests.support.crashing_worker"
    doomed = product.start_worker("w0", app, **{KILL_AT: KILLS[0]})
    handle = product.producer.adopt(900)
    for number, kill in enumerate([*KILLS[1:], ""], start=1):
        wait_for(lambda doomed=doomed: not doomed.running() or handle.done())  # type: ignore[misc]  # mypy: a default
        assert not doomed.running(), f"{KILLS[number - 1]} was not reached"
        doomed = product.start_worker(f"w{number}", app, **{KILL_AT: kill})
    waits_for_task(product, "vzdelsnapshot")
    pve.ct_secs["delsnapshot"] = 0.0
    product.simulator.do(pve.hurry)
    assert done(handle.wait(timeout=60)) == [(name, 900) for name in SEALING]
    kinds = [one.kind for one in product.simulator.intervals()]
    assert kinds == ["vzshutdown", "vzdelsnapshot", "vzdelsnapshot", "vztemplate"]


@pytest.mark.parametrize("onboot", [0, 1])
def test_what_stands_where_a_template_is_declared_is_taken_over_as_the_error_says(
    product: Product, onboot: int
) -> None:
    """Whether it is to be cloned from, built again or destroyed; what looks like a service has to be named."""
    product.declare({900: template(), 901: template(901), 103: container(103), 104: container(104, 901)})
    stand(product, 900, running=True, onboot=onboot)
    product.simulator.add_template(901)
    product.start_worker(PHOENIX_SCRATCH_CTIDS="9000-9099")
    refusals = [
        failure_of(product.producer.ensure(103)),
        failure_of(product.producer.ensure(901)),
        failure_of(product.producer.rebuild(901)),
        failure_of(product.producer.destroy(900)),
    ]
    assert [failure.cause for failure in refusals] == ["not-ours"] * len(refusals)
    commands = [re.findall(r"`phoenix-lxc (adopt [^`]+)`", failure.remedy) for failure in refusals]
    taken = "adopt 900 --seal 900" if onboot else "adopt 900"
    assert commands == [[taken], ["adopt 901"], ["adopt 901"], [taken]]
    for command in (taken, "adopt 901"):
        typed = cli(product, *command.split(), "--yes")
        assert typed.exit_code == 0, typed.output
    assert [product.ensure(ctid).outcome for ctid in (103, 901)] == ["created", "updated"]
    assert product.producer.rebuild(901).wait(timeout=60).outcome == "rebuilt"
