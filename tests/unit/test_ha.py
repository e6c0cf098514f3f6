"""The key `ha`: read, compared with the HA resource that there is, and told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.declaration import Declaration, HaResource, Role
from phoenix_worker.core.allowed.forbidden import refuse_forbidden
from phoenix_worker.core.allowed.ownership import Purpose
from phoenix_worker.core.allowed.versions import ha_group_gone
from phoenix_worker.core.differs.diff import diff
from phoenix_worker.core.differs.ha import ha_then, ha_told, ha_write
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.ha import HaAct, HaState, HaWrite, given_up
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.model.records import from_json, to_json
from tests.support.refusing import Refusal, told
from tests.unit.catalog_files import clone, loaded, refusals, template

if TYPE_CHECKING:
    from pathlib import Path

ON, OFF = HaResource(), HaResource(enabled=False)
FULL = HaResource(group="rack1", max_restart=0, max_relocate=3)
RESOURCE = HaState(managed=True)


@pytest.mark.parametrize(
    ("written", "declared"),
    [
        (None, None),
        (True, ON),
        (False, OFF),
        ({}, ON),
        ({"enabled": False}, OFF),
        ({"group": "rack1", "max_restart": 0, "max_relocate": 3}, FULL),
    ],
)
def test_the_key_ha_is_read_in_each_of_its_forms(tmp_path: Path, written: Any, declared: HaResource | None) -> None:
    assert loaded(tmp_path, {"900": template(), "103": clone(ha=written)})[103].ha == declared


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("yes", "is neither true, false nor an object"),
        (1, "is neither true, false nor an object"),
        ({"max_restart": -1}, "ha.max_restart -1 is below 0"),
        ({"max_restart": "1"}, "is not a whole number"),
        ({"group": "a b"}, "is not the name of an HA group"),
        ({"enabled": False, "max_restart": 1}, "is switched off and has keys of a resource"),
        ({"managed": True}, "enabled was probably meant"),
        ({"max_restarts": 1}, "max_restart was probably meant"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(tmp_path: Path, written: Any, words: str) -> None:
    (line,) = refusals(tmp_path, {"lxc_configs": {"900": template(), "103": clone(ha=written)}})
    assert words in str(line)


def test_a_template_is_no_ha_resource(tmp_path: Path) -> None:
    (line,) = refusals(tmp_path, {"lxc_configs": {"900": template(ha=True), "103": clone()}})
    assert "a template never runs" in str(line)
    assert loaded(tmp_path, {"900": template(ha=False), "103": clone()})[900].ha == OFF


@pytest.mark.parametrize(
    ("declared", "seen", "write"),
    [
        (None, HaState(managed=True), None),
        (ON, None, None),
        (ON, HaState(), HaWrite(HaAct.ADD, {"state": "stopped"})),
        (
            FULL,
            HaState(),
            HaWrite(HaAct.ADD, {"state": "stopped", "group": "rack1"} | {"max_restart": "0", "max_relocate": "3"}),
        ),
        (ON, HaState(managed=True, group="rack1", max_restart=5), None),
        (FULL, HaState(managed=True, group="rack1", max_restart=0, max_relocate=3), None),
        (FULL, HaState(managed=True, max_restart=0), HaWrite(HaAct.CHANGE, {"group": "rack1", "max_relocate": "3"})),
        (OFF, HaState(), None),
        (OFF, RESOURCE, HaWrite(HaAct.REMOVE)),
    ],
)
def test_what_differs_is_one_request_and_then_nothing(
    declared: HaResource | None, seen: HaState | None, write: HaWrite | None
) -> None:
    assert ha_write(declared, seen, running=False) == write
    assert bool(ha_told(declared, seen)) is (write is not None)
    then = ha_then(declared, seen)
    assert ha_write(declared, then, running=False) is None
    assert ha_told(declared, then) == ()


def test_it_is_told_as_one_change_and_a_new_resource_keeps_its_power() -> None:
    (added,) = ha_told(FULL, HaState())
    assert added.words == "ha: unset → group=rack1,max_restart=0,max_relocate=3"
    (changed,) = ha_told(HaResource(max_restart=2), RESOURCE)
    assert (changed.old, changed.new) == ("max_restart=1,max_relocate=1", "max_restart=2,max_relocate=1")
    (removed,) = ha_told(OFF, RESOURCE)
    assert (removed.old, removed.new) == ("max_restart=1,max_relocate=1", None)
    write = ha_write(ON, HaState(), running=True)
    assert write is not None
    assert write.properties == {"state": "started"}


def seen(**more: Any) -> Observation:
    config = {
        "hostname": "ct103",
        "tags": "phoenix",
        "description": "phoenix-lxc: ctid=103 id=01234567 as=container stage=configured hash=h",
    }
    return Observation(103, "pve1", Presence.HERE, config, **more)


def test_it_is_part_of_the_difference_and_of_the_journal() -> None:
    declared = Declaration(103, "ct103", Role.CONTAINER, "pve1", clone_from=900, hash="h", ha=ON)
    assert [change.key for change in diff(declared, seen(ha=HaState())).changes] == ["ha"]
    assert not diff(declared, seen(ha=RESOURCE)).changes
    assert from_json(to_json(seen(ha=RESOURCE))) == seen(ha=RESOURCE)
    older = to_json(seen())
    del older["ha"]
    assert from_json(older) == seen(), "of an earlier version's journal"


@pytest.mark.parametrize(("version", "refused"), [((8, 4), False), ((9, 0), True), ((9, 2), True)])
def test_a_group_is_refused_where_rules_have_taken_its_place(version: tuple[int, ...], *, refused: bool) -> None:
    declared = Declaration(103, "ct103", Role.CONTAINER, "pve1", clone_from=900, ha=FULL)
    problem = ha_group_gone(declared, version)
    assert (problem is not None) is refused
    if problem is not None:
        assert (problem.cause, "HA rules have taken the place of groups" in problem.message) == ("ha-groups-gone", True)
        assert "--resources ct:103" in problem.remedy
    assert ha_group_gone(replace(declared, ha=ON), version) is None
    assert ha_group_gone(replace(declared, ha=None), version) is None


def test_what_declares_it_is_destroyed_after_it_says_false() -> None:
    declared = Declaration(103, "ct103", Role.CONTAINER, "pve1", clone_from=900)
    for ha, remedy in ((None, "ha-manager remove ct:103"), (ON, '"ha": false for 103')):
        with pytest.raises(PermanentError) as refusal:
            refuse_forbidden(replace(declared, ha=ha), seen(ha_managed=True), Purpose.DESTROY)
        assert (refusal.value.cause, remedy in refusal.value.remedy) == ("ha-managed", True)


def test_what_ha_has_given_up_is_told_with_the_command_that_brings_it_back() -> None:
    assert told(given_up(103, "start CT 103 on pve1")) == Refusal(
        "Unable to start CT 103 on pve1: Proxmox's HA has given CT 103 up (state error), and does nothing with it "
        "until it is disabled there.",
        "ha-error",
        "Mend what keeps it from starting, then `ha-manager set ct:103 --state disabled` on a node, and send the "
        "request again.",
    )
