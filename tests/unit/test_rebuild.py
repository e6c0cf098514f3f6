from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from phoenix_worker.catalog.declaration import Role
from phoenix_worker.core.differs.unchangeable import needs_rebuild
from phoenix_worker.core.model.marker import write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from tests.support.declared import DECLARED, MARKER, seen

ROOTFS = "local-lvm:vm-103-disk-0,size=32G"
FITTING = replace(DECLARED, disk_gb=32, storage="local-lvm", unprivileged=True)


def test_what_fits_needs_none() -> None:
    assert needs_rebuild(FITTING, seen(rootfs=ROOTFS, unprivileged="1")) == ()
    bigger = replace(FITTING, disk_gb=64)
    assert needs_rebuild(bigger, seen(rootfs=ROOTFS, unprivileged="1")) == (), "it is grown"
    undeclared = replace(FITTING, disk_gb=None, storage=None)
    assert needs_rebuild(undeclared, seen(rootfs=ROOTFS, unprivileged="1")) == ()
    assert needs_rebuild(FITTING, Observation(103, "pve1", Presence.ABSENT, {})) == ()


OF_900 = "it is a full clone of 900, the catalog declares "


@pytest.mark.parametrize(
    ("origin", "fields", "words"),
    [
        ("900", {"clone_from": 901}, OF_900 + "a full clone of 901"),
        ("900", {"full_clone": False}, OF_900 + "a linked clone of 900"),
        (
            "900",
            {"clone_from": None, "os_template": "iso:vztmpl/deb.tar.zst"},
            OF_900 + "a new container from deb.tar.zst",
        ),
        ("900", {}, None),
        ("901,linked", {"clone_from": 901, "full_clone": False}, None),
        ("deb.tar.zst", {"clone_from": None, "os_template": "iso:vztmpl/deb.tar.zst"}, None),
        (
            "deb.tar.zst",
            {"clone_from": None, "os_template": "iso:vztmpl/ubu.tar.zst"},
            "it is a new container from deb.tar.zst",
        ),
        ("", {"clone_from": 901}, None),
    ],
)
def test_what_it_was_made_from_is_as_its_marker_says(origin: str, fields: dict[str, Any], words: str | None) -> None:
    """A marker that does not say it says nothing against it."""
    declared = replace(FITTING, **fields)
    for marker in (replace(MARKER, origin=origin), replace(MARKER, origin=origin, ctid=900)):
        observed = seen(rootfs=ROOTFS, unprivileged="1", description=write_marker(marker))
        told = needs_rebuild(declared, observed)
        if words is None or marker.ctid != 103:
            assert told == ()
        else:
            (line,) = told
            assert line.startswith(f"CT 103 cannot become as declared: {words}")


@pytest.mark.parametrize(
    ("declared", "unprivileged", "words"),
    [
        (replace(FITTING, disk_gb=16), "1", "its root disk is 32 GiB, the catalog declares 16 GiB, "),
        (replace(FITTING, storage="tank"), "1", "its root disk is on local-lvm, the catalog declares tank"),
        (FITTING, "0", "it is privileged, the catalog declares unprivileged"),
        (replace(FITTING, unprivileged=False), "1", "it is unprivileged, the catalog declares privileged"),
    ],
)
def test_what_cannot_be_changed_is_named(declared: object, unprivileged: str, words: str) -> None:
    (told,) = needs_rebuild(declared, seen(rootfs=ROOTFS, unprivileged=unprivileged))  # type: ignore[arg-type]  # parametrised
    assert told.startswith(f"CT 103 cannot become as declared: {words}")


def test_what_brings_it_about_is_said_once_after_all_that_stays_as_it_is() -> None:
    declared = replace(FITTING, disk_gb=16, unprivileged=False)
    disk, privileges = needs_rebuild(declared, seen(rootfs=ROOTFS, unprivileged="1"))
    assert disk.endswith(", and a disk cannot shrink.")
    assert privileges.endswith(
        "`phoenix-lxc destroy 103`, which deletes its disks, then `phoenix-lxc ensure 103` creates it again."
    )
    template = replace(declared, role=Role.TEMPLATE)
    *_, last = needs_rebuild(template, seen(rootfs=ROOTFS, unprivileged="1"))
    assert last.endswith("`phoenix-lxc rebuild 103` builds it again.")
