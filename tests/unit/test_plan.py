from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_producer.contract import DesiredState
from phoenix_worker.catalog.declaration import Declaration, Network, Role, Script
from phoenix_worker.core.allowed.ownership import Creating, judge
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.marker import Marker, Stage, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned.plan import plan

CONTAINER = Declaration(
    103,
    "Step-CA",
    Role.CONTAINER,
    "pve1",
    clone_from=900,
    storage="local-lvm",
    disk_gb=16,
    memory_mb=1024,
    network=Network("vmbr0", ip="dhcp"),
    description="The CA.",
    hash="h1",
)
ROOT = replace(CONTAINER, clone_from=None, os_template="local:vztmpl/debian.tar.zst")
TEMPLATE = replace(ROOT, role=Role.TEMPLATE)
ROOTED = replace(ROOT, root_features=("keyctl=1",), raw_lines=(("lxc.cap.keep", "a"), ("lxc.cap.keep", "b")))
STOPPED = replace(CONTAINER, state=DesiredState.STOPPED)
SCRIPTED = replace(STOPPED, scripts=(Script("setup", "setup.sh", "5c", ""),))
ABSENT = Observation(103, "pve1", Presence.ABSENT)
NET0 = "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth"
DISK, BASE = "local-lvm:vm-103-disk-0,size=16G", "local-lvm:base-103-disk-0,size=16G"


def here(role: Role = Role.CONTAINER, *, running: bool = True, **config: str) -> Observation:
    notes = write_marker(Marker(103, "c1", role, Stage.CONFIGURED, "h1"), "The CA.")
    present = {"hostname": "Step-CA", "memory": "1024", "net0": NET0, "tags": "phoenix", "rootfs": DISK}
    return Observation(103, "pve1", Presence.HERE, present | {"description": notes} | config, "digest", running)


def template(*, running: bool = False, **config: str) -> Observation:
    return here(Role.TEMPLATE, running=running, **config)


def names(declared: Declaration, seen: Observation, *, adopt: bool = False) -> list[str]:
    return [step.name for step in plan(declared, seen, judge(declared, seen, adopt=adopt))]


@pytest.mark.parametrize(
    ("declared", "seen", "steps"),
    [
        (CONTAINER, ABSENT, ["clone", "configure", "start", "verify"]),
        (STOPPED, ABSENT, ["clone", "configure", "verify"]),
        (SCRIPTED, ABSENT, ["clone", "configure", "start", "provision", "stop", "verify"]),
        (replace(TEMPLATE, scripts=SCRIPTED.scripts), ABSENT, ["create", "start", "provision", "stop", "seal"]),
        (ROOT, ABSENT, ["create", "start", "verify"]),
        (ROOTED, ABSENT, ["create", "configure", "start", "verify"]),
        (ROOTED, here(), ["configure", "verify"]),
        (CONTAINER, here(), []),
        (CONTAINER, here(memory="512"), ["configure", "verify"]),
        (CONTAINER, here(running=False), ["start", "verify"]),
        (CONTAINER, here(running=False, memory="512"), ["configure", "start", "verify"]),
        (STOPPED, here(), ["stop", "verify"]),
        (STOPPED, here(memory="512"), ["stop", "configure", "verify"]),
        (replace(STOPPED, hash="h2"), here(), ["configure", "stop", "verify"]),
        (SCRIPTED, here(), ["provision", "stop", "verify"]),
        (SCRIPTED, here(memory="512"), ["stop", "configure", "start", "provision", "stop", "verify"]),
        (STOPPED, here(running=False), []),
        (CONTAINER, here(running=False, template="1"), ["configure", "start", "verify"]),
    ],
)
def test_a_container_gets_the_steps_that_it_lacks_in_their_order(
    declared: Declaration, seen: Observation, steps: list[str]
) -> None:
    assert names(declared, seen) == steps


@pytest.mark.parametrize(
    ("declared", "seen", "steps"),
    [
        (TEMPLATE, ABSENT, ["create", "seal"]),
        (replace(TEMPLATE, clone_from=901), ABSENT, ["clone", "configure", "seal"]),
        (TEMPLATE, template(), ["seal"]),
        (TEMPLATE, template(memory="512"), ["configure", "seal"]),
        (TEMPLATE, template(running=True), ["stop", "seal"]),
        (TEMPLATE, template(running=True, memory="512"), ["configure", "stop", "seal"]),
        (TEMPLATE, template(rootfs=BASE, template="1"), []),
        (TEMPLATE, template(rootfs=BASE, template="1", memory="512"), ["configure"]),
        (TEMPLATE, template(template="1"), ["configure", "seal"]),
        (TEMPLATE, template(rootfs=BASE), ["configure"]),
    ],
)
def test_a_template_never_starts(declared: Declaration, seen: Observation, steps: list[str]) -> None:
    assert names(declared, seen) == steps


def test_what_only_looks_like_ours_is_configured_and_nothing_else() -> None:
    mac = "BC:24:11:00:00:01"
    unmarked = here(running=False, description="by hand")
    assert names(replace(CONTAINER, mac=mac), unmarked) == ["configure", "verify"]
    assert names(replace(STOPPED, mac=mac), replace(unmarked, running=True)) == ["configure", "verify"]


def test_what_is_adopted_is_ours() -> None:
    assert names(CONTAINER, here(running=False, description="by hand"), adopt=True) == ["configure", "start", "verify"]


def lines(declared: Declaration, seen: Observation, creating: Creating = Creating.NOT_LOOKED) -> list[str]:
    return [step.detail for step in plan(declared, seen, judge(declared, seen, creating=creating))]


@pytest.mark.parametrize("declared", [CONTAINER, ROOT, TEMPLATE, STOPPED])
def test_every_step_is_of_its_container(declared: Declaration) -> None:
    assert {step.ctid for step in plan(declared, ABSENT, judge(declared, ABSENT))} == {103}


def test_the_line_of_one_that_is_only_started() -> None:
    assert lines(CONTAINER, here(running=False))[0] == "start CT 103 on pve1"


def test_the_lines_of_a_new_clone() -> None:
    assert lines(CONTAINER, ABSENT) == [
        "clone template 900 to CT 103 on pve1 (full, to local-lvm)",
        (
            "configure CT 103 on pve1: hostname Step-CA, memory 1024, net0 name=eth0,bridge=vmbr0,ip=dhcp,type=veth, "
            "tags phoenix, rootfs at least 16G"
        ),
        "start CT 103 on pve1",
        "verify CT 103 on pve1: as declared",
    ]


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        (replace(CONTAINER, full_clone=False), "clone template 900 to CT 103 on pve1 (linked)"),
        (replace(CONTAINER, storage=None), "clone template 900 to CT 103 on pve1 (full)"),
        (ROOT, "create CT 103 on pve1 from local:vztmpl/debian.tar.zst (16 GiB on local-lvm)"),
        (
            replace(ROOT, disk_gb=None),
            "create CT 103 on pve1 from local:vztmpl/debian.tar.zst (default size on local-lvm)",
        ),
        (
            replace(ROOT, disk_gb=None, storage=None),
            "create CT 103 on pve1 from local:vztmpl/debian.tar.zst (default size)",
        ),
    ],
)
def test_the_line_that_makes_it(declared: Declaration, line: str) -> None:
    assert lines(declared, ABSENT)[0] == line


def test_a_line_tells_old_and_new() -> None:
    differs = here(memory="512", rootfs="local-lvm:vm-103-disk-0,size=8G", tags="")
    assert lines(CONTAINER, differs)[0] == (
        "configure CT 103 on pve1: memory 512 → 1024, tags unset → phoenix, rootfs 8G → 16G"
    )


def test_a_line_tells_what_goes() -> None:
    assert lines(TEMPLATE, template(template="1"))[0] == "configure CT 103 on pve1: template 1 → unset"


def test_bookkeeping_has_a_line_too() -> None:
    assert lines(replace(CONTAINER, hash="h2"), here())[0] == (
        "configure CT 103 on pve1: update the marker in the notes"
    )


def test_notes_of_many_lines_are_one_line() -> None:
    assert "\n" not in lines(replace(CONTAINER, description="a\nb"), here())[0]


def test_the_lines_of_a_half_way_template() -> None:
    assert lines(TEMPLATE, template(running=True)) == [
        "stop CT 103 on pve1: before it becomes a template",
        "convert CT 103 on pve1 to a template",
    ]


def test_a_clone_that_is_under_way_is_waited_for() -> None:
    half = here(lock="create")
    assert lines(CONTAINER, half, Creating.OURS) == [
        "clone template 900 to CT 103 on pve1 (full, to local-lvm), which is under way: wait for it",
        *lines(CONTAINER, ABSENT)[1:],
    ]


@pytest.mark.parametrize(
    ("seen", "creating", "kind", "cause"),
    [
        (here(description="by hand"), Creating.NOT_LOOKED, PermanentError, "not-ours"),
        (here(lock="create"), Creating.NOBODY, PermanentError, "half-made"),
        (here(lock="create"), Creating.ANOTHER, TransientError, "being-created"),
    ],
)
def test_there_is_no_plan_for_what_may_not_be_touched(
    seen: Observation, creating: Creating, kind: type[Exception], cause: str
) -> None:
    with pytest.raises((PermanentError, TransientError)) as refused:
        plan(CONTAINER, seen, judge(CONTAINER, seen, creating=creating))
    assert (refused.type, getattr(refused.value, "cause", "")) == (kind, cause)


def test_every_step_names_the_ctid() -> None:
    assert {step.ctid for step in plan(CONTAINER, ABSENT, judge(CONTAINER, ABSENT))} == {103}


def test_what_only_root_may_set_is_told_before_and_after_it_exists() -> None:
    new = plan(ROOTED, ABSENT, judge(ROOTED, ABSENT))[1].detail
    assert new == "configure CT 103 on pve1: features unset → keyctl=1, lxc.cap.keep unset → a | b"
    there = here(features="nesting=1")
    old = plan(ROOTED, there, judge(ROOTED, there))[0].detail
    assert old == "configure CT 103 on pve1: features keyctl unset → 1, lxc.cap.keep unset → a | b"
