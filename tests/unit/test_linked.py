"""Linked clones, by what storages tell of their volumes."""

from __future__ import annotations

import pytest

from phoenix_worker.core.allowed.linked import linked_by_name, may_be_linked, storages_of
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.model.ports import Volume


def seen(ctid: int, **config: str) -> Observation:
    return Observation(ctid, "pve1", Presence.HERE, config)


@pytest.mark.parametrize(
    "volume",
    [
        Volume("local-zfs:basevol-900-disk-0/subvol-801-disk-0", 801),
        Volume("local-zfs:base-900-disk-1/vm-801-disk-1", 801),
        Volume("ceph:base-900-disk-0/vm-801-disk-0", 801, "base-900-disk-0@__base__"),
        Volume("ceph:vm-801-disk-0", 801, "base-900-disk-0@__base__"),
        Volume("local:900/base-900-disk-0.qcow2/801/vm-801-disk-0.qcow2", 801, "../900/base-900-disk-0.qcow2"),
    ],
)
def test_a_volume_that_is_made_of_the_templates(volume: Volume) -> None:
    assert linked_by_name(900, [volume]) == {801}
    assert linked_by_name(90, [volume]) == linked_by_name(9000, [volume]) == set()


def test_volumes_that_are_not() -> None:
    volumes = [
        Volume("local-zfs:basevol-900-disk-0", 900),
        Volume("local-zfs:subvol-801-disk-0", 801),
        Volume("local:900/base-900-disk-0.raw", 900),
        Volume("local-zfs:basevol-901-disk-0/subvol-801-disk-0", 801),
        Volume("local:backup/vzdump-lxc-900-2026_01_01-00_00_00.tar.zst", 900),
        Volume("local:iso/base-900-disk-0.iso"),
    ]
    assert linked_by_name(900, volumes) == set()


def test_storages_are_those_of_volumes() -> None:
    config = {
        "rootfs": "a:base-900-disk-0,size=8G",
        "mp0": "/srv/data,mp=/data",
        "mp1": "b:vm-1,mp=/x:y",
        "mp2": "/srv/a:b,mp=/data",
        "mp3": "b:900/vm-900-disk-0.raw:x,mp=/y",
        "hostname": "c:d",
    }
    assert storages_of(seen(900, **config)) == ("a", "b")
    assert storages_of(seen(900, rootfs="none")) == ()


def test_where_nothing_tells_a_clone_of_ours_on_the_same_storage_may_be_linked() -> None:
    template = seen(900, rootfs="local-lvm:base-900-disk-0,size=8G")
    ours = {"description": "phoenix-lxc: ctid=801 id=a as=container stage=configured hash=b"}
    assert may_be_linked(template, seen(801, rootfs="local-lvm:vm-801-disk-0", **ours))
    assert not may_be_linked(template, seen(801, rootfs="other:vm-801-disk-0", **ours))
    assert not may_be_linked(template, seen(801, rootfs="local-lvm:vm-801-disk-0"))


@pytest.mark.parametrize("rootfs", ["local-lvm:vm-801:x", "volume=local-lvm:vm-801-disk-0"])
def test_it_is_the_storage_alone_that_counts(rootfs: str) -> None:
    ours = {"description": "phoenix-lxc: ctid=801 id=a as=container stage=configured hash=b"}
    template = seen(900, rootfs="local-lvm:base-900-disk-0,size=8G")
    assert may_be_linked(template, seen(801, rootfs=rootfs, **ours))


def test_what_has_no_root_disk_is_on_no_storage() -> None:
    ours = {"description": "phoenix-lxc: ctid=801 id=a as=container stage=configured hash=b"}
    for nothing in ({}, {"rootfs": "size=8G"}):
        assert not may_be_linked(seen(900, rootfs="local-lvm:base-900-disk-0"), seen(801, **nothing, **ours))
        assert may_be_linked(seen(900), seen(801, **nothing, **ours)), "neither is on any"


def test_a_linked_clone_of_a_copy_hangs_on_that_alone() -> None:
    line = "phoenix-lxc: ctid=801 id=a as=container stage=configured hash=b from=900,linked"
    of_copy = seen(801, rootfs="local-lvm:vm-801-disk-0", description=f"{line} via=9100")
    of_template = seen(801, rootfs="local-lvm:vm-801-disk-0", description=line)
    template, copy = (seen(ctid, rootfs=f"local-lvm:base-{ctid}-disk-0,size=8G") for ctid in (900, 9100))
    assert may_be_linked(copy, of_copy, 9100)
    assert may_be_linked(template, of_template)
    assert not may_be_linked(template, of_copy)
    assert not may_be_linked(copy, of_template, 9100)
