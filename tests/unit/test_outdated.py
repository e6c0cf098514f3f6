from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_worker.catalog.declaration import Declaration, Role, Script
from phoenix_worker.core.differs.diff import diff, origin_of
from phoenix_worker.core.differs.outdated import outdated
from phoenix_worker.core.differs.unchangeable import needs_rebuild
from phoenix_worker.core.model.marker import Marker, Stage, read_marker, write_marker
from phoenix_worker.core.model.observation import Observation, Presence

DECLARED = Declaration(
    900,
    "base",
    Role.TEMPLATE,
    "pve1",
    os_template="local:vztmpl/debian-13.tar.zst",
    storage="zfs",
    disk_gb=8,
    hash="h1",
)


def sealed(declaration: str = "h1", source: str = "debian-13.tar.zst", **config: str) -> Observation:
    marker = Marker(900, "c1", Role.TEMPLATE, Stage.CONFIGURED, declaration, source)
    present = {
        "hostname": "base",
        "tags": "phoenix",
        "template": "1",
        "unprivileged": "1",
        "rootfs": "zfs:basevol-900-disk-0,size=8G",
        "description": write_marker(marker),
    }
    return Observation(900, "pve1", Presence.HERE, present | config)


def test_a_template_as_declared_is_not_outdated() -> None:
    assert outdated(DECLARED, sealed(), has_shell=True) == ()


def test_an_older_configuration_is_put_right_by_an_ensure() -> None:
    (told,) = outdated(DECLARED, sealed("h0"), has_shell=True)
    assert "`phoenix-lxc ensure 900`" in told


@pytest.mark.parametrize(
    ("declared", "seen", "why"),
    [
        (
            replace(DECLARED, disk_gb=16),
            sealed(),
            "its root disk is 8 GiB, the catalog declares 16 GiB, and a template cannot grow",
        ),
        (replace(DECLARED, disk_gb=4), sealed(), "a disk cannot shrink"),
        (replace(DECLARED, storage="other"), sealed(), "disks are not moved"),
        (
            DECLARED,
            sealed(source="ubuntu.tar.zst"),
            "it is a new container from ubuntu.tar.zst, the catalog declares a new container from debian-13.tar.zst",
        ),
        (replace(DECLARED, os_template=None, clone_from=901), sealed(source="902"), "clone of 902"),
    ],
)
def test_what_no_ensure_changes_asks_for_a_rebuild(declared: Declaration, seen: Observation, why: str) -> None:
    (told,) = outdated(declared, seen, has_shell=True)
    assert why in told
    assert "`phoenix-lxc rebuild 900`" in told
    assert len(needs_rebuild(declared, seen)) == 1, "an ensure of the template says it too"


def test_it_stays_outdated_once_it_was_configured() -> None:
    declared = replace(DECLARED, os_template="local:vztmpl/debian-14.tar.zst", hash="h2")
    seen = sealed()
    assert len(outdated(declared, seen, has_shell=True)) == 2
    notes = diff(declared, seen).put["description"]
    marker = read_marker(notes)
    assert marker is not None
    assert (marker.declaration, marker.origin) == ("h2", "debian-13.tar.zst")
    (told,) = outdated(declared, replace(seen, config=seen.config | {"description": notes}), has_shell=True)
    assert "rebuild" in told


def test_scripts_that_changed_or_never_ran_are_named_as_such() -> None:
    scripts = (Script("old", "features/old.sh", "2"), Script("new", "features/new.sh", "1"))
    declared, seen = replace(DECLARED, scripts=scripts), sealed()
    assert seen.marker is not None
    notes = write_marker(replace(seen.marker, scripts=(("old", "1"),)))
    seen = replace(seen, config=seen.config | {"description": notes})
    (told,) = outdated(declared, seen, has_shell=True)
    assert "(its script old has changed since; its script new was never run)" in told
    (told,) = outdated(declared, seen, has_shell=False)
    assert "(its script old has changed since)" in told, "a rebuild without the door would run none"
    on_node = tuple(replace(script, on_node=True) for script in scripts)
    (told,) = outdated(replace(declared, scripts=on_node), seen, has_shell=True)
    assert "(its script new was never run)" in told, "what lies on the node is known to the node"


def test_a_template_that_was_built_without_the_door_is_not_outdated_for_lack_of_it() -> None:
    declared = replace(DECLARED, scripts=(Script("base_setup", "features/base_setup.sh", "1"),))
    assert outdated(declared, sealed(), has_shell=False) == ()


def test_nothing_is_said_of_what_nobody_noted_or_is_no_template_of_ours() -> None:
    assert outdated(DECLARED, sealed(source=""), has_shell=True) == ()
    assert outdated(DECLARED, sealed("h0", description="by hand"), has_shell=True) == ()
    assert outdated(replace(DECLARED, role=Role.CONTAINER), sealed("h0"), has_shell=True) == ()
    assert outdated(DECLARED, sealed("h0", template="0"), has_shell=True) == (), (
        "one that is half made is finished anyhow"
    )


def test_any_os_template_can_be_noted() -> None:
    odd = replace(DECLARED, os_template="local:vztmpl/a b+c~1.tar.zst")
    marker = Marker(900, "c1", Role.TEMPLATE, Stage.MADE, "h1", origin_of(odd))
    assert read_marker(write_marker(marker)) == marker


CLONE = Declaration(901, "child", Role.TEMPLATE, "pve1", clone_from=900, hash="h1")
"""A template that is cloned from a template; its clones are built from an older one until it is rebuilt."""


def cloned(build: str, declared: Declaration = CLONE, origin: str = "900") -> Observation:
    stage = Stage.CONFIGURED
    marker = Marker(declared.ctid, "c2", declared.role, stage, declared.hash, origin, build=build)
    notes = f"Theirs.\n\n{write_marker(marker)}"
    config = {"template": "1", "rootfs": f"zfs:basevol-{declared.ctid}-disk-0,size=8G", "unprivileged": "1"}
    return Observation(declared.ctid, "pve1", Presence.HERE, config | {"description": notes})


def test_what_was_cloned_from_an_older_build_of_its_template_is_outdated() -> None:
    assert outdated(CLONE, cloned("b1"), has_shell=True, build="b1") == ()
    (told,) = outdated(CLONE, cloned("b1"), has_shell=True, build="b2")
    assert told == (
        "Template 901 is outdated (it was cloned from an older build of template 900). "
        "To build it again: `phoenix-lxc rebuild 901`."
    )
    web = replace(CLONE, ctid=103, role=Role.CONTAINER)
    (told,) = outdated(web, cloned("b1", web, "900,linked"), has_shell=True, build="b2")
    assert told == (
        "CT 103 is outdated: it was cloned from an older build of template 900. `phoenix-lxc destroy 103`, which "
        "deletes its disks, then `phoenix-lxc ensure 103` creates it again."
    )


@pytest.mark.parametrize(
    ("seen", "build"),
    [
        (cloned(""), "b2"),
        (cloned("b1"), ""),
        (replace(cloned("b1"), ctid=902), "b2"),
    ],
    ids=["a marker of before", "a template that says nothing", "a copy made by hand"],
)
def test_what_nobody_can_tell_is_no_reason(seen: Observation, build: str) -> None:
    assert outdated(CLONE, seen, has_shell=True, build=build) == ()


def test_a_template_of_another_one_is_told_as_such_and_not_as_an_older_build() -> None:
    (told,) = outdated(CLONE, cloned("b1", origin="902"), has_shell=True, build="b2")
    assert "(it is a full clone of 902, the catalog declares a full clone of 900, and" in told
    assert "older build" not in told


def test_the_build_stays_in_the_line_whatever_else_is_written() -> None:
    changed = replace(CLONE, memory_mb=512, hash="h2")
    marker = read_marker(diff(changed, cloned("b1")).put["description"])
    assert marker is not None
    assert (marker.declaration, marker.build) == ("h2", "b1")


def test_a_copy_is_brought_up_to_date_with_its_template() -> None:
    copy = replace(DECLARED, copy_of=800)
    assert outdated(copy, sealed(), has_shell=True) == ()
    (told,) = outdated(copy, sealed("h0"), has_shell=True)
    assert told == (
        "Template 900, a copy of 800, has an older declaration. To configure it again: `phoenix-lxc ensure 800`."
    )
    assert outdated(copy, sealed("h0"), has_shell=True, configured=True) == ()
    (told,) = outdated(replace(copy, disk_gb=16), sealed("h0"), has_shell=True, configured=True)
    assert "To build it again: `phoenix-lxc rebuild 800`." in told
    (told,) = needs_rebuild(replace(copy, disk_gb=16), sealed())
    assert told.endswith("`phoenix-lxc rebuild 800` builds it again.")
