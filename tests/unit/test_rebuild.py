from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_worker.core.observation import Observation, Presence
from phoenix_worker.core.rebuild import needs_rebuild
from tests.support.declared import DECLARED, seen

ROOTFS = "local-lvm:vm-103-disk-0,size=32G"
FITTING = replace(DECLARED, disk_gb=32, storage="local-lvm", unprivileged=True)


def test_what_fits_needs_none() -> None:
    assert needs_rebuild(FITTING, seen(rootfs=ROOTFS, unprivileged="1")) == ()
    bigger = replace(FITTING, disk_gb=64)
    assert needs_rebuild(bigger, seen(rootfs=ROOTFS, unprivileged="1")) == (), "it is grown"
    undeclared = replace(FITTING, disk_gb=None, storage=None)
    assert needs_rebuild(undeclared, seen(rootfs=ROOTFS, unprivileged="1")) == ()
    assert needs_rebuild(FITTING, Observation(103, "pve1", Presence.ABSENT, {})) == ()


@pytest.mark.parametrize(
    ("declared", "unprivileged", "words"),
    [
        (replace(FITTING, disk_gb=16), "1", "its root disk has 32 GiB and is declared with 16"),
        (replace(FITTING, storage="tank"), "1", "its root disk is on local-lvm and is declared for tank"),
        (FITTING, "0", "it is privileged and is declared unprivileged"),
        (replace(FITTING, unprivileged=False), "1", "it is unprivileged and is declared privileged"),
    ],
)
def test_what_cannot_be_changed_is_named(declared: object, unprivileged: str, words: str) -> None:
    (told,) = needs_rebuild(declared, seen(rootfs=ROOTFS, unprivileged=unprivileged))  # type: ignore[arg-type]  # parametrised
    assert told.startswith(f"CT 103 stays as it is: {words}")
