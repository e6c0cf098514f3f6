"""The ownership table of the design, row by row in its own words."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from phoenix_worker.catalog.declaration import Declaration, Role
from phoenix_worker.core.allowed.ownership import (
    Action,
    Creating,
    Purpose,
    Verdict,
    judge,
    may_destroy,
    may_drop_snapshots,
    may_seal,
    may_start,
    may_stop,
    may_write,
    refuse_linked,
)
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.observation import Observation, Presence
from tests.unit.ownership_table import (
    ABSENT,
    AS_DECLARED,
    CONTAINER,
    ELSEWHERE,
    FLAG_ONLY,
    HALF,
    OUR_TEMPLATE,
    OURS,
    PLAIN,
    SEALED,
    TABLE,
    TEMPLATE,
    VM,
    here,
    marked,
)

CHANGED_BY_ADOPT = {
    "marker with another CTID, someone cloned ours by hand → not ours",
    "no marker, hostname and MAC as declared → configuration is converged, nothing else",
    "no marker, the hostname alone → error",
    "no marker, the MAC alone → error",
    "no marker, no MAC declared → error",
    "no marker, else → error",
    "… a template of somebody",
    "… and a sealed one is not a container",
}


@pytest.mark.parametrize(("declared", "seen", "creating", "then", "cause"), TABLE.values(), ids=TABLE)
def test_each_row_of_the_ownership_table_is_judged_so(
    declared: Declaration, seen: Observation, creating: Creating, then: Action, cause: str
) -> None:
    verdict = judge(declared, seen, adopt=False, creating=creating)
    assert (verdict.action, verdict.cause) == (then, cause)
    assert bool(verdict.message) is bool(verdict.remedy) is bool(cause)


def test_a_template_that_nothing_clones_any_more_can_stay_one() -> None:
    """Without its last clone the catalog declares a container."""
    kept = judge(CONTAINER, here(marked(SEALED, Role.TEMPLATE)))
    assert """add `"is_template": true` to 103""" in kept.remedy
    for other in (judge(TEMPLATE, here(OURS)), judge(CONTAINER, here(marked(SEALED)))):
        assert (other.cause, "is_template" in other.remedy) == ("role-changed", False)


@pytest.mark.parametrize("row", TABLE)
def test_adoption_takes_over_what_has_no_marker_of_ours_and_nothing_else(row: str) -> None:
    declared, seen, creating, then, _ = TABLE[row]
    verdict = judge(declared, seen, adopt=True, creating=creating)
    assert verdict.action is (Action.CONVERGE if row in CHANGED_BY_ADOPT else then)


@pytest.mark.parametrize("row", TABLE)
def test_destroying_needs_the_marker_and_nothing_else_changes_that(row: str) -> None:
    declared, seen, creating, then, cause = TABLE[row]
    verdict = judge(declared, seen, adopt=True, creating=creating, purpose=Purpose.DESTROY)
    if then is Action.CREATE:
        assert verdict.action is Action.NOTHING
    elif (then is not Action.REFUSE and seen.lock is not None) or seen.presence is not Presence.HERE:
        assert (verdict.action, verdict.cause) == (then, cause), "somebody is at work on it, or it is elsewhere"
    elif seen.lock == "create":
        assert (verdict.action, verdict.cause) == (Action.REFUSE, "half-made")
    else:
        assert verdict.action is (Action.DESTROY if seen.is_ours else Action.REFUSE)
    assert (verdict.action is Action.DESTROY) <= may_destroy(seen)
    assert verdict.message.startswith("Unable to destroy CT 103 on pve1: ") is bool(verdict.cause)


def test_a_template_that_linked_clones_hang_on_is_refused_naming_them() -> None:
    refuse_linked(here(SEALED), ())
    with pytest.raises(PermanentError, match="linked clones: CT 801, CT 802") as refused:
        refuse_linked(here(SEALED), (801, 802))
    assert "`phoenix-lxc destroy 801 802`" in refused.value.remedy


SERVICE = replace(TEMPLATE, source={"ports": ["80:80"]})
BOOTS = {"onboot": "1"}
ADOPTION: dict[str, tuple[Declaration, Observation, Action, str, Action]] = {
    # what Proxmox shows, and → asked to adopt, cause, and by name
    "absent → nothing": (CONTAINER, ABSENT, Action.NOTHING, "", Action.NOTHING),
    "no marker, a container → marked": (CONTAINER, here(PLAIN, running=True), Action.MARK, "", Action.MARK),
    "… one that starts at boot too": (CONTAINER, here(PLAIN | BOOTS), Action.MARK, "", Action.MARK),
    "… recognized by hostname and MAC": (CONTAINER, here(AS_DECLARED), Action.MARK, "", Action.MARK),
    "… cloned from one of ours by hand": (CONTAINER, here(marked(PLAIN, ctid=900)), Action.MARK, "", Action.MARK),
    "no marker, a sealed template → marked": (TEMPLATE, here(SEALED), Action.MARK, "", Action.MARK),
    "no marker, to be a template → marked": (TEMPLATE, here(PLAIN, running=True), Action.MARK, "", Action.MARK),
    "… that starts at boot → only by name": (
        TEMPLATE,
        here(PLAIN | BOOTS),
        Action.REFUSE,
        "is-a-service",
        Action.MARK,
    ),
    "… that has ports → only by name": (SERVICE, here(PLAIN), Action.REFUSE, "is-a-service", Action.MARK),
    "marker says container, to be a template → only by name": (
        TEMPLATE,
        here(OURS),
        Action.REFUSE,
        "role-changed",
        Action.MARK,
    ),
    "marker says template, declared a container → refused": (
        CONTAINER,
        here(OUR_TEMPLATE),
        Action.REFUSE,
        "role-changed",
        Action.REFUSE,
    ),
    "a template, declared a container → refused": (CONTAINER, here(SEALED), Action.REFUSE, "not-ours", Action.REFUSE),
    "ours → as it is": (CONTAINER, here(OURS), Action.CONVERGE, "", Action.CONVERGE),
    "ours, a half-way template → gone on with": (SERVICE, here(OUR_TEMPLATE), Action.CONVERGE, "", Action.CONVERGE),
    "being made → waited for": (CONTAINER, here(HALF), Action.WAIT, "being-created", Action.WAIT),
    "a VM → refused": (CONTAINER, VM, Action.REFUSE, "vm-has-id", Action.REFUSE),
    "on another node → refused": (CONTAINER, ELSEWHERE, Action.REFUSE, "other-node", Action.REFUSE),
    "flag and base volume contradict each other → refused": (
        TEMPLATE,
        here(FLAG_ONLY),
        Action.REFUSE,
        "broken-seal",
        Action.REFUSE,
    ),
}


@pytest.mark.parametrize(("declared", "seen", "then", "cause", "by_name"), ADOPTION.values(), ids=ADOPTION)
def test_what_is_asked_to_be_adopted(
    declared: Declaration, seen: Observation, then: Action, cause: str, by_name: Action
) -> None:
    verdict = judge(declared, seen, purpose=Purpose.ADOPT)
    assert (verdict.action, verdict.cause) == (then, cause)
    assert judge(declared, seen, purpose=Purpose.SEAL).action is by_name
    if then is not by_name:
        assert "`phoenix-lxc adopt 103 --seal 103`" in verdict.remedy


@pytest.mark.parametrize("row", TABLE)
@pytest.mark.parametrize("purpose", Purpose)
def test_a_remedy_names_no_adoption_that_would_be_refused(row: str, purpose: Purpose) -> None:
    declared, seen, creating, _, _ = TABLE[row]
    verdict = judge(declared, seen, creating=creating, purpose=purpose)
    for command in re.findall(r"`phoenix-lxc (adopt [^`]+)`", verdict.remedy):
        adopting = Purpose.SEAL if "--seal" in command else Purpose.ADOPT
        assert judge(declared, seen, purpose=adopting).action is Action.MARK


@pytest.mark.parametrize("row", TABLE)
@pytest.mark.parametrize("adopt", [False, True])
def test_only_a_marked_and_stopped_template_in_the_making_is_ever_sealed(row: str, *, adopt: bool) -> None:
    declared, seen, creating, _, _ = TABLE[row]
    sealable = {
        "… a template of ours",
        "… a half-way template of ours",
        "template flag without base volume, ours → repaired",
        "or the reverse, ours → repaired",
    }
    verdict = judge(declared, seen, adopt=adopt, creating=creating)
    assert may_seal(verdict, seen) is may_drop_snapshots(verdict, seen) is (row in sealable)
    assert not may_seal(verdict, replace(seen, running=True))


@pytest.mark.parametrize(
    ("action", "write", "start", "stop"),
    [
        (Action.CREATE, False, False, False),
        (Action.NOTHING, False, False, False),
        (Action.DESTROY, False, False, False),
        (Action.MARK, False, False, False),
        (Action.CONVERGE, True, True, True),
        (Action.CONVERGE_CONFIG_ONLY, True, False, False),
        (Action.REPAIR_SEAL, True, True, False),
        (Action.ADOPT_TASK, False, False, False),
        (Action.REMOVE_HALF_MADE, False, False, False),
        (Action.WAIT, False, False, False),
        (Action.REFUSE, False, False, False),
    ],
)
def test_what_a_verdict_allows(action: Action, *, write: bool, start: bool, stop: bool) -> None:
    verdict = Verdict(action)
    assert (may_write(verdict), may_start(verdict), may_stop(verdict)) == (write, start, stop)


@pytest.mark.parametrize(
    ("seen", "may"),
    [
        (here(OURS), True),
        (here(OURS | HALF), True),
        (here(AS_DECLARED), False),
        (here(PLAIN | {"tags": "phoenix"}), False),
        (here(marked(PLAIN, ctid=900)), False),
        (replace(VM, config=OURS), False),
        (replace(ELSEWHERE, config=OURS), False),
        (ABSENT, False),
    ],
)
def test_deleting_anything_needs_the_marker(seen: Observation, *, may: bool) -> None:
    assert may_destroy(seen) is may


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a VM has the id → error", "a VM named 'windows' on pve1 has the id 103"),
        ("another node's guest has the id → error", "CT 103 on pve2 is a stopped container named 'somebody'"),
        (
            "no marker, else → error",
            "CT 103 on pve1 is a stopped container named 'somebody' without a marker of phoenix-lxc",
        ),
        (
            "marker with another CTID, someone cloned ours by hand → not ours",
            "named 'Step-CA' with the marker of CT 900 (a copy that phoenix-lxc did not make)",
        ),
        (
            "marker says container, catalog now says template → refused",
            "named 'somebody' with a marker of phoenix-lxc (role: container), and the catalog now declares a template",
        ),
    ],
)
def test_a_refusal_names_what_stands_there(row: str, words: str) -> None:
    declared, seen, creating, _, cause = TABLE[row]
    error = judge(declared, seen, creating=creating).refusal()
    assert words in error.message
    assert error.message.startswith("Unable to ensure CT 103 on pve1: ")
    assert error.cause == cause


def test_a_half_made_container_comes_with_the_two_commands() -> None:
    error = judge(CONTAINER, here(OURS | HALF), creating=Creating.NOBODY).refusal()
    assert "`pct unlock 103`" in error.remedy
    assert "`pct destroy 103 --destroy-unreferenced-disks 1`" in error.remedy


def test_waiting_is_a_delay() -> None:
    assert judge(CONTAINER, here(HALF)).delay().cause == "being-created"
