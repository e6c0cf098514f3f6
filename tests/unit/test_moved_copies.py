"""Whether a copy of a template is cloned from it and migrated, or built: a pure choice, with its reason."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.actions.moved_copies import Way
from phoenix_worker.actions.standing_copies import arrived, on_its_way
from phoenix_worker.core.checkup.copies import copying_paths, judge_ways, to_bring
from phoenix_worker.core.checkup.line import Level
from phoenix_worker.core.differs.diff import diff, marker_for
from phoenix_worker.core.differs.scripts import mark_of
from phoenix_worker.core.model.cluster import ClusterView, NodeState
from phoenix_worker.core.model.marker import Stage, read_marker, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.model.ports import Storage
from phoenix_worker.core.planned import moved_copies
from phoenix_worker.step_names import StepName
from tests.support.product import container, template
from tests.unit.test_copies import loaded

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix_worker.catalog.declaration import Declaration

LOCAL = Storage("local-lvm", "lvmthin", content=frozenset({"rootdir", "images"}))
GIB = 1024**3


@pytest.fixture
def copy(tmp_path: Path) -> Declaration:
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "setup.sh").write_text("#!/bin/sh\n")
    return loaded(tmp_path, {900: template(features=["setup"]), 103: container(103, node="pve2")}).copy(
        900, 9105, "pve2"
    )


def sealed(copy: Declaration, **more: Any) -> Observation:
    """The template as it stands, with its script run."""
    original = replace(copy, ctid=900, copy_of=None, node="pve1")
    marker = marker_for(original, "made", Stage.CONFIGURED)
    marker = replace(marker, scripts=tuple(mark_of(script) for script in original.scripts))
    config = {"template": "1", "rootfs": "local-lvm:base-900-disk-0,size=8G", "description": write_marker(marker)}
    return Observation(900, "pve1", Presence.HERE, config | more)


def on_the_way(copy: Declaration, node: str, **more: Any) -> Observation:
    """What was cloned for it, as it stands on a node."""
    marker = replace(marker_for(copy, "made", Stage.MADE), bound_for=copy.node)
    notes = {"description": write_marker(marker), "rootfs": "local-lvm:vm-9105-disk-0,size=8G"}
    return Observation(copy.ctid, node, Presence.HERE, notes | more)


def test_only_scripts_are_worth_it(copy: Declaration) -> None:
    assert moved_copies.takes_long(copy)
    assert not moved_copies.takes_long(replace(copy, scripts=()))


@pytest.mark.parametrize(
    ("scripts", "migration", "why"),
    [
        ([], None, ""),
        ([None], 500.0, ""),
        ([3.0, None], 500.0, ""),
        ([44.0], None, ""),
        ([43.9], None, "they take 44 s as a rule, and a migration from pve1 to pve2 takes about 44 s for 8 GiB"),
        ([30.0, 12.0], 42.0, ""),
        ([1.5, 2.0], 9.04, "they take 3.5 s as a rule, and a migration from pve1 to pve2 takes 9.0 s"),
    ],
)
def test_what_is_learned_tells_whether_scripts_are_quicker(
    copy: Declaration, scripts: list[float | None], migration: float | None, why: str
) -> None:
    assert moved_copies.quicker_built(copy, sealed(copy), scripts, migration) == why


def test_why_is_told_by_what_the_copy_takes(copy: Declaration) -> None:
    plain = replace(copy, scripts=())
    named = "CT 9105, a copy of template 900, is"
    assert Way("pve1").told(copy) == (f"{named} migrated from pve1 to pve2: its scripts need not run again.",)
    assert Way("pve1").told(plain) == (f"{named} migrated from pve1 to pve2: pve2 has no {copy.os_template}.",)
    assert Way(because="so").told(copy) == (f"{named} built on pve2, by its scripts: so.",)
    assert Way(because="so").told(plain) == (f"{named} built on pve2: so.",)
    assert Way().told(copy) == ()


def test_a_template_that_is_as_the_copy_would_be_is_cloned(copy: Declaration) -> None:
    assert moved_copies.unfit(copy, sealed(copy), ()) == ""


def test_any_other_template_is_not_cloned_and_says_why(copy: Declaration) -> None:
    finished = sealed(copy)
    never_ran = write_marker(replace(finished.marker or marker_for(copy, "", Stage.MADE), scripts=()))
    cases = [
        (copy, Observation(900, "pve1", Presence.ABSENT), (), "does not stand as a finished template"),
        (copy, sealed(copy, template="0"), (), "does not stand as a finished template"),
        (copy, sealed(copy, description="made by hand"), (), "has no marker of phoenix-lxc"),
        (copy, finished, ("its disk is larger",), "is outdated"),
        (copy, sealed(copy, description=never_ran), (), "is outdated"),
        (replace(copy, clone_from=800, full_clone=False), finished, (), "is declared as a linked clone"),
        (copy, sealed(copy, mp0="/srv,mp=/srv"), (), "has a bind mount (mp0), which is not cloned"),
    ]
    for declared, seen, outdated, why in cases:
        assert moved_copies.unfit(declared, seen, outdated) == f"template 900 {why}"


def test_the_token_may_migrate_it_by_its_path_or_its_pool(copy: Declaration) -> None:
    needs = moved_copies.privileges(copy)
    assert moved_copies.lacking(needs, {}) == "the token lacks VM.Migrate on /vms/9105, VM.Clone on /vms/900"
    held = {"/vms/9105": frozenset({"VM.Migrate"}), "/vms/900": frozenset({"VM.Clone"})}
    assert moved_copies.lacking(needs, held) == ""
    pooled = moved_copies.privileges(replace(copy, pool="prod"))
    assert moved_copies.lacking(pooled, {"/pool/prod": frozenset({"VM.Migrate", "VM.Clone"})}) == ""


def test_check_says_how_copies_come_to_their_nodes(copy: Declaration) -> None:
    template = replace(copy, ctid=900, copy_of=None, node="pve1")
    lane = replace(copy, ctid=9106, node="pve1")
    assert to_bring([copy, lane, replace(copy, scripts=())], {900: template}) == [copy]
    held = {path: frozenset({"VM.Clone", "VM.Migrate"}) for path in copying_paths([copy])}
    linked = replace(copy, clone_from=800, full_clone=False)
    lines = [*judge_ways([copy, linked], held), *judge_ways([copy], held | {"/vms/9105": frozenset()})]
    assert {line.level for line in lines} == {Level.OK}
    assert [line.text.partition(" on pve2 is ")[2] for line in lines] == [
        "cloned from it and migrated there, where the storages allow it",
        "built there by its scripts: template 900 is declared as a linked clone",
        "built there by its scripts: the token lacks VM.Migrate on /vms/9105",
    ]


@pytest.mark.parametrize(
    ("storages", "why"),
    [
        ({"local-lvm": LOCAL}, ""),
        ({"local-lvm": replace(LOCAL, nodes=frozenset({"pve1", "pve2"}))}, ""),
        ({"local-lvm": replace(LOCAL, nodes=frozenset({"pve1"}))}, "the storage local-lvm is not on pve2"),
        ({"local-lvm": replace(LOCAL, enabled=False)}, "the storage local-lvm is not on pve2"),
        ({"local-lvm": replace(LOCAL, content=frozenset({"images"}))}, "the storage local-lvm takes no containers"),
        ({}, "whether pve2 has the storage local-lvm is not known"),
        (None, "whether pve2 has the storage local-lvm is not known"),
    ],
)
def test_each_volume_goes_to_the_storage_of_the_same_name(
    copy: Declaration, storages: dict[str, Storage] | None, why: str
) -> None:
    assert moved_copies.no_storage(sealed(copy), "pve2", storages) == why


@pytest.mark.parametrize(
    ("free", "why"),
    [
        ({"pve1": 12 * GIB, "pve2": 12 * GIB}, ""),
        ({"pve1": None, "pve2": None}, ""),
        ({}, ""),
        ({"pve1": 11 * GIB, "pve2": 12 * GIB}, "the storage local-lvm on pve1 has no room for 12 GiB"),
        ({"pve1": 12 * GIB, "pve2": 11 * GIB}, "the storage local-lvm on pve2 has no room for 12 GiB"),
    ],
)
def test_it_takes_room_on_both_nodes(copy: Declaration, free: dict[str, int | None], why: str) -> None:
    view = ClusterView({name: NodeState(name, storages={"local-lvm": room}) for name, room in free.items()})
    seen = sealed(copy, mp0="local-lvm:vm-900-disk-1,mp=/data,size=4G", mp1="ceph:vm-900-disk-2,mp=/x,size=99G")
    assert moved_copies.no_room(seen, "pve2", view) == why


def test_a_clone_that_has_not_arrived_serves_no_node(copy: Declaration) -> None:
    beside, there = on_the_way(copy, "pve1"), on_the_way(copy, "pve2")
    assert (on_its_way(beside), on_its_way(there)) == ("pve2", "")
    assert (arrived(beside).node, arrived(there)) == ("pve2", there)
    assert on_its_way(replace(beside, ctid=9106)) == "", "a clone of it by hand is nobody's copy"
    assert on_its_way(on_the_way(copy, "pve3", template="1", rootfs="local-lvm:base-9105-disk-0,size=8G")) == ""


def test_configuring_it_forgets_where_it_was_bound_for(copy: Declaration) -> None:
    seen = on_the_way(copy, "pve2")
    marker = read_marker(diff(copy, seen).put["description"], 9105)
    assert marker is not None
    assert (marker.bound_for, marker.stage, marker.copy_of) == ("", Stage.CONFIGURED, 900)


def test_a_moved_copy_is_cloned_migrated_configured_and_converted(copy: Declaration) -> None:
    names = [step.name for step in moved_copies.moved(copy, "pve1", cloned=False)]
    assert names == [StepName.CLONE, StepName.MIGRATE, StepName.CONFIGURE, StepName.SEAL]
    assert [step.detail for step in moved_copies.moved(copy, "pve1", cloned=True)] == [
        "migrate CT 9105 from pve1 to pve2",
        "configure CT 9105 on pve2: as declared",
        "convert CT 9105 on pve2 to a template",
    ]
    assert [step.name for step in moved_copies.anew(copy)][:1] == [StepName.CREATE]
