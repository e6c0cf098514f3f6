"""What a plan says of each step to people, and of what it does to programs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer.plans import Action
from phoenix_worker.catalog.declaration import Firewall, FirewallRule, HealthCheck, Script
from phoenix_worker.core.allowed.ownership import judge
from phoenix_worker.core.planned.plan import is_configuring, is_making, plan
from tests.unit.test_plan import ABSENT, CONTAINER, ROOT, ROOTED, SCRIPTED, STOPPED, TEMPLATE, here, template

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.planned.plan import PlannedStep

RULE = FirewallRule("in", "ACCEPT")
CONFIGURED = (
    "hostname Step-CA, memory 1024, net0 name=eth0,bridge=vmbr0,ip=dhcp,type=veth, tags phoenix, rootfs at least 16G"
)


def planned(declared: Declaration, seen: Observation) -> tuple[PlannedStep, ...]:
    return plan(declared, seen, judge(declared, seen))


@pytest.mark.parametrize(
    ("declared", "seen", "actions"),
    [
        (
            SCRIPTED,
            ABSENT,
            [
                [Action(kind="clone", source="900", detail="full, to local-lvm")],
                [Action(kind="configure", detail=CONFIGURED)],
                [Action(kind="start", detail="")],
                [Action(kind="provision", detail="setup.sh")],
                [Action(kind="stop", detail="")],
                [],
            ],
        ),
        (
            TEMPLATE,
            ABSENT,
            [
                [Action(kind="create", source="local:vztmpl/debian.tar.zst", detail="16 GiB on local-lvm")],
                [Action(kind="seal")],
            ],
        ),
        (
            CONTAINER,
            here(memory="512", rootfs="local-lvm:vm-103-disk-0,size=8G", tags=""),
            [
                [
                    Action(kind="change", key="memory", old="512", new="1024"),
                    Action(kind="change", key="tags", old="", new="phoenix"),
                    Action(kind="grow", key="rootfs", old="8G", new="16G"),
                ],
                [],
            ],
        ),
        (
            replace(CONTAINER, devices=()),
            here(dev0="/dev/nvidia0"),
            [[Action(kind="change", key="dev0", old="/dev/nvidia0", new=None)], []],
        ),
        (
            replace(CONTAINER, hash="h2"),
            here(),
            [[Action(kind="record", detail="the marker in the notes, and nothing else")], []],
        ),
        (
            TEMPLATE,
            template(running=True),
            [[Action(kind="stop", detail="before it becomes a template")], [Action(kind="seal")]],
        ),
    ],
)
def test_what_each_step_does(declared: Declaration, seen: Observation, actions: list[list[Action]]) -> None:
    assert [list(step.actions) for step in planned(declared, seen)] == actions


@pytest.mark.parametrize(
    ("firewall", "words"),
    [
        (Firewall(enabled=True), "firewall on"),
        (Firewall(enabled=False), "firewall off"),
        (Firewall(enabled=True, rules=()), "firewall on with 0 rules"),
        (Firewall(enabled=True, rules=(RULE, RULE), policy_out="DROP"), "firewall on with 2 rules, policy_out DROP"),
        (
            Firewall(enabled=False, policy_in="DROP", policy_out="REJECT"),
            "firewall off with policy_in DROP, policy_out REJECT",
        ),
    ],
)
def test_a_clone_s_firewall_is_told(firewall: Firewall, words: str) -> None:
    detail = planned(replace(CONTAINER, firewall=firewall), ABSENT)[1].detail
    assert detail.endswith(f", rootfs at least 16G, {words}")
    assert planned(replace(CONTAINER, firewall=firewall, disk_gb=None), ABSENT)[1].detail.endswith(
        f"tags phoenix, {words}"
    )


def test_what_only_root_may_set_of_a_clone_is_told() -> None:
    rooted = replace(CONTAINER, root_features=("keyctl=1",), raw_lines=(("lxc.cap.keep", "a"),))
    assert planned(rooted, ABSENT)[1].detail.endswith("rootfs at least 16G, features keyctl=1, lxc.cap.keep a")


def test_a_clone_of_a_known_template_is_told_what_changes() -> None:
    made = plan(CONTAINER, ABSENT, judge(CONTAINER, ABSENT), template(memory="512"))[1]
    assert "memory 512 → 1024" in made.detail
    assert Action(kind="change", key="memory", old="512", new="1024") in made.actions


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "as declared"),
        ({"health_check": HealthCheck("curl -f x")}, "as declared and healthy (curl -f x)"),
        ({"health_check": HealthCheck("", script=Script("h", "h.sh", "1"))}, "as declared and healthy (h.sh)"),
        ({"wait_for_address": 30}, "as declared and with an address (within 30 s)"),
        (
            {"health_check": HealthCheck("true"), "wait_for_address": 30},
            "as declared and healthy (true) and with an address (within 30 s)",
        ),
    ],
)
def test_what_is_verified(changes: dict[str, Any], words: str) -> None:
    assert planned(replace(CONTAINER, **changes), ABSENT)[-1].detail == f"verify CT 103 on pve1: {words}"
    stopped = planned(replace(STOPPED, **changes), ABSENT)[-1]
    assert (stopped.detail, stopped.actions) == ("verify CT 103 on pve1: as declared", ())


def test_what_runs_in_it_is_told_in_order() -> None:
    scripts = (Script("a", "a.sh", "1", ""), Script("b", "/opt/b.sh", "2", on_node=True))
    steps = planned(replace(CONTAINER, scripts=scripts), ABSENT)
    assert [step.detail for step in steps][3] == "provision CT 103 on pve1: a.sh, /opt/b.sh"
    assert [one.detail for one in steps[3].actions] == ["a.sh", "/opt/b.sh"]


@pytest.mark.parametrize(
    ("declared", "seen", "making", "configuring"),
    [
        (CONTAINER, ABSENT, True, True),
        (ROOT, ABSENT, True, False),
        (ROOTED, here(), False, True),
        (STOPPED, here(), False, False),
        (CONTAINER, here(), False, False),
    ],
)
def test_what_a_plan_is_for(declared: Declaration, seen: Observation, making: bool, configuring: bool) -> None:
    steps = planned(declared, seen)
    assert (is_making(steps), is_configuring(steps)) == (making, configuring)
