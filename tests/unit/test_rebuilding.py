"""What is left of a rebuild, by what stands at the template's CTID and at its scratch CTID."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_worker.catalog.declaration import Declaration, Role
from phoenix_worker.catalog.resolve import scratch_of
from phoenix_worker.core.allowed.ownership import Action, Purpose, judge, may_seal
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.marker import Marker, Stage, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned.rebuilding import is_built, rebuild, refuse_rebuild, refuse_unbuilt
from phoenix_worker.step_names import StepName

TEMPLATE = Declaration(901, "base", Role.TEMPLATE, "pve1", clone_from=900, hash="h")
SCRATCH = scratch_of(TEMPLATE, range(9000, 9010))


def marker(role: Role = Role.SCRATCH, ctid: int = 9001, hash_: str = SCRATCH.hash) -> str:
    return write_marker(Marker(ctid, "c1", role, Stage.CONFIGURED, hash_))


def seen(ctid: int, description: str, *, sealed: bool = True) -> Observation:
    volume, template = (f"base-{ctid}-disk-0", {"template": "1"}) if sealed else (f"vm-{ctid}-disk-0", {})
    return Observation(
        ctid, "pve1", Presence.HERE, {"description": description, "rootfs": f"local-lvm:{volume}", **template}
    )


def absent(ctid: int) -> Observation:
    return Observation(ctid, "pve1", Presence.ABSENT)


OLD = seen(901, marker(Role.TEMPLATE, 901, "h"))
BUILT = seen(9001, marker())
BUILD = [StepName.CLONE, StepName.CONFIGURE, StepName.SEAL]


def test_the_scratch_ctid_of_a_template_is_always_the_same() -> None:
    assert (SCRATCH.ctid, SCRATCH.role, SCRATCH.is_template) == (9001, Role.SCRATCH, True)
    assert SCRATCH.hash not in {"", TEMPLATE.hash}
    assert scratch_of(replace(TEMPLATE, memory_mb=2048), range(9000, 9010)).hash != SCRATCH.hash
    assert scratch_of(TEMPLATE, range(9000, 9001)).ctid == 9000


@pytest.mark.parametrize(
    ("old", "new", "clear", "build", "older"),
    [
        (OLD, absent(9001), False, BUILD, False),
        (absent(901), absent(9001), False, BUILD, False),
        (OLD, BUILT, True, BUILD, False),
        (OLD, seen(9001, marker(), sealed=False), True, BUILD, False),
        (absent(901), BUILT, False, [], False),
        (seen(901, marker(Role.TEMPLATE, 901, "h"), sealed=False), BUILT, False, [], False),
        (absent(901), BUILT, True, BUILD, True),
        (absent(901), seen(9001, marker(hash_="0ld")), True, BUILD, False),
        (absent(901), seen(9001, marker(), sealed=False), True, BUILD, False),
    ],
)
def test_what_is_left_to_do(
    old: Observation, new: Observation, build: list[StepName], *, clear: bool, older: bool
) -> None:
    steps = rebuild(TEMPLATE, old, SCRATCH, new, older=older)
    assert (steps.clear, [step.name for step in steps.build]) == (clear, build)
    lines = list(steps.lines())
    assert any("which an earlier rebuild left" in line for line in lines) is clear
    assert ("destroy CT 901 on pve1, with its disks" in lines) is (old.presence is Presence.HERE)
    assert lines[-1] == "destroy CT 9001 on pve1, with its disks"


@pytest.mark.parametrize(
    "new", [absent(9001), seen(9001, marker(Role.TEMPLATE)), seen(9001, marker(ctid=901)), seen(9001, "")]
)
def test_nothing_else_takes_a_templates_place(new: Observation) -> None:
    assert not is_built(SCRATCH, new)
    with pytest.raises(PermanentError, match="Unable to rebuild CT 901 on pve1: CT 9001"):
        refuse_unbuilt(TEMPLATE, SCRATCH, new)


def test_containers_are_not_rebuilt_nor_is_anything_without_scratch_ctids() -> None:
    assert refuse_rebuild(TEMPLATE, SCRATCH) is SCRATCH
    with pytest.raises(PermanentError, match="only templates are rebuilt"):
        refuse_rebuild(replace(TEMPLATE, role=Role.CONTAINER), SCRATCH)
    with pytest.raises(PermanentError, match="PHOENIX_SCRATCH_CTIDS"):
        refuse_rebuild(TEMPLATE, None)


@pytest.mark.parametrize(
    ("declared", "purpose", "there", "action", "cause"),
    [
        (TEMPLATE, Purpose.REBUILD, OLD, Action.DESTROY, ""),
        (TEMPLATE, Purpose.REBUILD, absent(901), Action.NOTHING, ""),
        (
            TEMPLATE,
            Purpose.REBUILD,
            seen(901, marker(Role.CONTAINER, 901), sealed=False),
            Action.REFUSE,
            "role-changed",
        ),
        (TEMPLATE, Purpose.REBUILD, seen(901, ""), Action.REFUSE, "not-ours"),
        (SCRATCH, Purpose.SCRATCH, BUILT, Action.DESTROY, ""),
        (SCRATCH, Purpose.SCRATCH, absent(9001), Action.NOTHING, ""),
        (SCRATCH, Purpose.SCRATCH, seen(9001, ""), Action.REFUSE, "scratch-taken"),
        (SCRATCH, Purpose.SCRATCH, seen(9001, marker(Role.TEMPLATE)), Action.REFUSE, "scratch-taken"),
        (SCRATCH, Purpose.SCRATCH, seen(9001, marker(Role.CONTAINER)), Action.REFUSE, "scratch-taken"),
        (SCRATCH, Purpose.SCRATCH, Observation(9001, "pve1", Presence.VM), Action.REFUSE, "scratch-taken"),
        (SCRATCH, Purpose.SCRATCH, Observation(9001, "pve2", Presence.OTHER_NODE), Action.REFUSE, "scratch-taken"),
        (SCRATCH, Purpose.ENSURE, BUILT, Action.CONVERGE, ""),
        (SCRATCH, Purpose.ENSURE, seen(9001, marker(Role.TEMPLATE)), Action.REFUSE, "role-changed"),
    ],
)
def test_the_rows_of_the_ownership_table_for_rebuilds(
    declared: Declaration, purpose: Purpose, there: Observation, action: Action, cause: str
) -> None:
    verdict = judge(declared, there, adopt=True, purpose=purpose)
    assert (verdict.action, verdict.cause) == (action, cause)


def test_what_is_being_rebuilt_may_be_sealed() -> None:
    half = seen(9001, marker(), sealed=False)
    assert may_seal(judge(SCRATCH, half), half)
