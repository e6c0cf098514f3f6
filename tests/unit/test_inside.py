"""Which scripts run, in which steps, and when a container counts as verified."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_producer.contract import DesiredState
from phoenix_worker.catalog.declaration import Declaration, HealthCheck, Role, Script
from phoenix_worker.core.allowed.ownership import judge
from phoenix_worker.core.allowed.without_shell import within_reach
from phoenix_worker.core.differs.scripts import is_verified, recorded, run_again, scripts_to_run
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.marker import Marker, Stage, read_marker, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned.plan import plan
from tests.support.declared import AS_DECLARED, DECLARED, MARKER, MINIMAL
from tests.support.refusing import Refusal, refusal_of

BASE, APP = Script("base", "features/base.sh", "b1", "x"), Script("app", "app.sh", "a1", "x")
SCRIPTED = replace(DECLARED, scripts=(BASE, APP))
RAN = replace(MARKER, scripts=(("base", "b1"), ("app", "a1")))
CHECKED = replace(DECLARED, health_check=HealthCheck("true"))
ROOT = Declaration(900, "base", Role.TEMPLATE, "pve1", os_template="local:vztmpl/x", scripts=(BASE,), hash="h9")
ABSENT = Observation(103, "pve1", Presence.ABSENT)


def there(marker: Marker, *, running: bool = True, **config: str) -> Observation:
    notes = {"description": write_marker(marker, "The CA.")}
    return Observation(marker.ctid, "pve1", Presence.HERE, AS_DECLARED | notes | config, running=running)


def steps(declared: Declaration, seen: Observation) -> list[str]:
    return [step.name for step in plan(declared, seen, judge(declared, seen))]


@pytest.mark.parametrize(
    ("declared", "seen", "expected"),
    [
        (replace(MINIMAL, scripts=(BASE,)), ABSENT, ["clone", "configure", "start", "provision", "verify"]),
        (
            replace(MINIMAL, scripts=(BASE,), state=DesiredState.STOPPED),
            ABSENT,
            ["clone", "configure", "start", "provision", "stop", "verify"],
        ),
        (ROOT, replace(ABSENT, ctid=900), ["create", "start", "provision", "stop", "seal"]),
        (
            replace(ROOT, clone_from=800),
            replace(ABSENT, ctid=900),
            ["clone", "configure", "start", "provision", "stop", "seal"],
        ),
        (SCRIPTED, there(RAN), []),
        (SCRIPTED, there(MARKER), ["provision", "verify"]),
        (SCRIPTED, there(MARKER, running=False), ["start", "provision", "verify"]),
        (SCRIPTED, there(replace(RAN, scripts=(("base", "b0"), ("app", "a1")))), ["provision", "verify"]),
        (replace(SCRIPTED, state=DesiredState.STOPPED), there(RAN, running=False), []),
        (
            replace(SCRIPTED, state=DesiredState.STOPPED),
            there(MARKER, running=False),
            ["start", "provision", "stop", "verify"],
        ),
        (CHECKED, there(MARKER), ["verify"]),
        (CHECKED, there(replace(MARKER, verified="h1")), []),
        (replace(CHECKED, state=DesiredState.STOPPED), there(MARKER, running=False), []),
    ],
)
def test_scripts_and_health_bring_the_steps_that_they_need(
    declared: Declaration, seen: Observation, expected: list[str]
) -> None:
    assert steps(declared, seen) == expected


def test_a_finished_template_is_never_started_for_a_script() -> None:
    marker = Marker(900, "c1", Role.TEMPLATE, Stage.CONFIGURED, "h9")
    sealed = there(marker, running=False, template="1", rootfs="local-lvm:base-900-disk-0,size=8G", hostname="base")
    assert not {"start", "provision"} & set(steps(ROOT, sealed))


def test_a_container_that_is_only_recognized_is_not_provisioned() -> None:
    recognized = Observation(103, "pve1", Presence.HERE, AS_DECLARED | {"description": ""}, running=True)
    assert steps(SCRIPTED, recognized) == ["configure", "verify"]


def test_the_plan_names_the_scripts_that_are_missing_and_no_others() -> None:
    seen = there(replace(RAN, scripts=(("base", "b1"),)))
    assert plan(SCRIPTED, seen, judge(SCRIPTED, seen))[0].detail == "provision CT 103 on pve1: app.sh"


def test_what_is_recorded_of_scripts() -> None:
    marker = recorded(SCRIPTED, replace(MARKER, scripts=(("old", "o1"), ("app", "a0"))), BASE)
    assert marker.scripts == (("base", "b1"), ("app", "a0")), "in their order, without what is declared no more"
    assert scripts_to_run(SCRIPTED, marker) == (APP,)
    assert scripts_to_run(SCRIPTED, None) == (BASE, APP)


def test_scripts_are_run_again_on_request() -> None:
    again = run_again(SCRIPTED, ["app"])
    assert [script.name for script in scripts_to_run(again, RAN)] == ["app"]
    assert run_again(SCRIPTED, []) == SCRIPTED


@pytest.mark.parametrize(
    ("declared", "names", "refusal"),
    [
        (
            SCRIPTED,
            ["x", "app", "y"],
            Refusal(
                "Unable to run x, y again for CT 103: it has no such script.",
                "no-such-script",
                "Its scripts are: base, app.",
            ),
        ),
        (
            DECLARED,
            ["app"],
            Refusal(
                "Unable to run app again for CT 103: it has no such script.",
                "no-such-script",
                "Leave it out: the workers run no scripts for CT 103. None are declared, or they need shell access "
                "that the workers do not have.",
            ),
        ),
        (
            ROOT,
            ["base"],
            Refusal(
                "Unable to run scripts again in CT 900: a template is never started again.",
                "template-rerun",
                "Build it again, or run them in the containers that are cloned from it.",
            ),
        ),
    ],
)
def test_a_rerun_that_cannot_be_is_refused(declared: Declaration, names: list[str], refusal: Refusal) -> None:
    assert refusal_of(lambda: run_again(declared, names)) == refusal


def test_verified_is_what_was_verified_as_it_is_declared_now() -> None:
    assert is_verified(DECLARED, None)
    assert not is_verified(CHECKED, replace(MARKER, verified="0ld"))
    assert not is_verified(replace(DECLARED, snapshots=True), MARKER)


def test_markers_tell_of_scripts_and_older_ones_are_read_too() -> None:
    marker = replace(RAN, scripts=(("base+x_1.y", "b1"), ("application_script", "a1")), verified="h1")
    assert read_marker(write_marker(marker, "The CA.")) == marker
    older = "phoenix-lxc: ctid=103 id=c1 as=container stage=configured hash=h1"
    assert read_marker(older) == MARKER
    assert write_marker(MARKER) == older


def test_a_missing_script_is_refused() -> None:
    declared = replace(SCRIPTED, scripts=(BASE, replace(APP, content=None)))
    with pytest.raises(PermanentError, match=r"CT 103 on pve1: app.sh not found"):
        within_reach(declared, has_shell=True, accepted=False)
