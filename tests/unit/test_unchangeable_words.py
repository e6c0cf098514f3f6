"""What cannot be changed any more, and what is outdated: each reason in its words, with what brings it about."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.declaration import Role
from phoenix_worker.core.differs.outdated import of_older_build, outdated
from phoenix_worker.core.differs.unchangeable import needs_rebuild, unchangeable
from phoenix_worker.core.model.marker import Stage, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from tests.support.declared import DECLARED, MARKER, seen

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.marker import Marker

THERE = seen(unprivileged="1")
AGAIN = "`phoenix-lxc destroy 103`, which deletes its disks, then `phoenix-lxc ensure 103` creates it again."


@pytest.mark.parametrize(
    ("declared", "config", "reasons"),
    [
        ({}, {}, []),
        ({"disk_gb": None, "storage": None}, {"rootfs": "other:x,size=99G"}, []),
        ({"disk_gb": 16}, {"rootfs": "local-lvm:vm-103-disk-0"}, []),
        ({"disk_gb": 17}, {}, []),
        (
            {"disk_gb": 15},
            {},
            ["its root disk is 16 GiB, the catalog declares 15 GiB, and a disk cannot shrink"],
        ),
        (
            {"disk_gb": 15},
            {"rootfs": "local-lvm:vm-103-disk-0,size=0T"},
            ["its root disk is without limit, the catalog declares 15 GiB, and a disk cannot shrink"],
        ),
        (
            {"storage": "zfs"},
            {},
            ["its root disk is on local-lvm, the catalog declares zfs, and disks are not moved"],
        ),
        ({"disk_gb": 16}, {"rootfs": "local-lvm:base-103-disk-0,size=16G"}, []),
        (
            {"disk_gb": 17},
            {"rootfs": "local-lvm:base-103-disk-0,size=16G"},
            ["its root disk is 16 GiB, the catalog declares 17 GiB, and a template cannot grow"],
        ),
        (
            {},
            {"unprivileged": None},
            ["it is privileged, the catalog declares unprivileged, and this is set only at creation"],
        ),
        (
            {"unprivileged": False},
            {},
            ["it is unprivileged, the catalog declares privileged, and this is set only at creation"],
        ),
        ({"unprivileged": False}, {"unprivileged": "0"}, []),
    ],
)
def test_why_it_stays_as_it_is(declared: dict[str, Any], config: dict[str, str | None], reasons: list[str]) -> None:
    wanted, there = replace(DECLARED, **declared), seen(**{"unprivileged": "1", **config})
    assert list(unchangeable(wanted, there)) == reasons
    assert unchangeable(wanted, replace(there, presence=Presence.OTHER_NODE)) == ()


def marked(marker: Marker, **config: str) -> Observation:
    return seen(unprivileged="1", description=write_marker(marker), **config)


@pytest.mark.parametrize(
    ("origin", "declared", "reason"),
    [
        ("900", {}, ""),
        ("", {}, ""),
        ("901", {}, "it is a full clone of 901, the catalog declares a full clone of 900"),
        ("900,linked", {}, "it is a linked clone of 900, the catalog declares a full clone of 900"),
        ("900", {"full_clone": False}, "it is a full clone of 900, the catalog declares a linked clone of 900"),
    ],
)
def test_what_it_was_made_from_stays(origin: str, declared: dict[str, Any], reason: str) -> None:
    told = list(unchangeable(replace(DECLARED, **declared), marked(replace(MARKER, origin=origin))))
    assert told == ([f"{reason}, and this is set only at creation"] if reason else [])
    assert not unchangeable(replace(DECLARED, **declared), marked(replace(MARKER, origin=origin, ctid=104)))


def test_only_the_last_reason_is_followed_by_what_brings_it_about() -> None:
    wanted = replace(DECLARED, disk_gb=8, storage="zfs")
    begins = "CT 103 cannot become as declared: its root disk is"
    assert needs_rebuild(DECLARED, THERE) == ()
    assert needs_rebuild(wanted, THERE) == (
        f"{begins} 16 GiB, the catalog declares 8 GiB, and a disk cannot shrink.",
        f"{begins} on local-lvm, the catalog declares zfs, and disks are not moved. {AGAIN}",
    )
    assert needs_rebuild(wanted, THERE, "Do it.")[-1].endswith("disks are not moved. Do it.")
    template = replace(wanted, role=Role.TEMPLATE)
    assert needs_rebuild(template, THERE)[-1].endswith("not moved. `phoenix-lxc rebuild 103` builds it again.")


# What is outdated

TEMPLATE = replace(DECLARED, role=Role.TEMPLATE, storage=None, disk_gb=None)
BUILT = replace(MARKER, role=Role.TEMPLATE, stage=Stage.CONFIGURED, origin="900", build="c9")
BASE = {"rootfs": "local-lvm:base-103-disk-0,size=16G", "template": "1"}
OLDER = "it was cloned from an older build of template 900"


@pytest.mark.parametrize(
    ("marker", "declared", "build", "told"),
    [
        (BUILT, TEMPLATE, "c9", []),
        (BUILT, TEMPLATE, "", []),
        (replace(BUILT, build=""), TEMPLATE, "c10", []),
        (
            replace(BUILT, declaration="older"),
            TEMPLATE,
            "c9",
            ["Template 103 has an older declaration. To configure it again: `phoenix-lxc ensure 103`."],
        ),
        (
            BUILT,
            TEMPLATE,
            "c10",
            [f"Template 103 is outdated ({OLDER}). To build it again: `phoenix-lxc rebuild 103 900`."],
        ),
        (
            BUILT,
            replace(TEMPLATE, storage="zfs"),
            "c10",
            [
                (
                    "Template 103 is outdated (its root disk is on local-lvm, the catalog declares zfs, and disks are "
                    f"not moved; {OLDER}). To build it again: `phoenix-lxc rebuild 103 900`."
                )
            ],
        ),
    ],
)
def test_a_template_that_would_be_built_otherwise_now(
    marker: Marker, declared: Declaration, build: str, told: list[str]
) -> None:
    there = marked(marker, **BASE)
    assert list(outdated(declared, there, has_shell=True, build=build, first=(900,))) == told
    for other in (marked(replace(marker, ctid=104), **BASE), seen(**BASE, description=""), marked(marker)):
        assert outdated(declared, other, has_shell=True, build=build) == ()


def test_a_container_is_outdated_by_its_template_alone() -> None:
    there = marked(replace(MARKER, origin="900,linked", build="c9", declaration="older"))
    assert outdated(DECLARED, there, has_shell=True, build="c9") == ()
    expected = f"CT 103 is outdated: {OLDER}. {AGAIN}"
    assert outdated(DECLARED, there, has_shell=True, build="c10") == (expected,)
    assert of_older_build(DECLARED, there, "c10") == (expected,)
    assert of_older_build(replace(DECLARED, clone_from=901), there, "c10") == ()
    template = marked(replace(BUILT, build="c9"), **BASE)
    assert of_older_build(TEMPLATE, template, "c10") == (
        f"Template 103 is outdated ({OLDER}). To build it again: `phoenix-lxc rebuild 103`.",
    )
