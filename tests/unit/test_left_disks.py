"""Whose a disk is that lies in the way: by its path, by what the ledger has, and by who had its id since."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_worker.core.allowed.left_disks import (
    Death,
    LeftDisk,
    is_at_work,
    left_disk,
    made_by_others,
    why_not_ours,
)
from phoenix_worker.core.model.ports import ProxmoxTask, Storage

STORAGES = [
    Storage("local", "dir", path="/var/lib/vz"),
    Storage("fast", "btrfs", path="/mnt/fast"),
    Storage("inner", "dir", path="/mnt/fast/images/inner", shared=True),
    Storage("deeper", "dir", path="/mnt/fast/images/inner/images/inner"),
    Storage("thin", "lvmthin", pool="pve"),
    Storage("tank", "zfspool", pool="rpool/data"),
    Storage("outer", "zfspool", pool="rpool"),
    Storage("ceph", "rbd", pool="one", shared=True),
    Storage("san", "lvm", pool="san", shared=True),
    Storage("san2", "lvmthin", pool="san"),
]
DISK = LeftDisk("fast:103/vm-103-disk-0.raw", 103, shared=False)
DIED = Death("pve1", 1000.0)
ME = "phoenix@pve!worker"


def task(kind: str = "vzcreate", user: str = "root@pam", *, running: bool = False, started: int = 2000) -> ProxmoxTask:
    return ProxmoxTask("UPID:x", kind, user, running, started, "103")


@pytest.mark.parametrize(
    ("path", "volume"),
    [
        ("/mnt/fast/images/103/vm-103-disk-0", "fast:103/vm-103-disk-0.raw"),
        ("/mnt/fast/images/103/vm-103-disk-0/disk.raw", "fast:103/vm-103-disk-0.raw"),
        ("/mnt/fast/images/103/subvol-103-disk-1.subvol", "fast:103/subvol-103-disk-1.subvol"),
        ("/var/lib/vz/images/103/vm-103-disk-0.raw", "local:103/vm-103-disk-0.raw"),
        ("/mnt/fast/images/inner/images/103/vm-103-disk-0.raw", "inner:103/vm-103-disk-0.raw"),
    ],
)
def test_the_volume_is_named_by_the_storage_whose_directory_it_is_in(path: str, volume: str) -> None:
    disk = left_disk(f"Unable to clone: clone failed: disk image '{path}' already exists.", STORAGES)
    assert disk is not None
    assert (disk.volume, disk.ctid, disk.shared) == (volume, 103, volume.startswith("inner:"))


ZFS = "zfs error: cannot create '{}': dataset already exists"
LVM = 'lvcreate \'{1}/{0}\' error:   Logical Volume "{0}" already exists in volume group "{1}"'
CEPH = "rbd create '{}' error: 2026-11-28T14:00:01.1+0000 7f rbd: create error: (17) File exists"


@pytest.mark.parametrize(
    ("words", "volume"),
    [
        (ZFS.format("rpool/data/subvol-103-disk-0"), "tank:subvol-103-disk-0"),
        (ZFS.format("rpool/vm-103-disk-12"), "outer:vm-103-disk-12"),
        (LVM.format("vm-103-disk-0", "pve"), "thin:vm-103-disk-0"),
        (CEPH.format("vm-103-disk-0"), "ceph:vm-103-disk-0"),
        (ZFS.format("rpool/data/base-103-disk-0"), None),
        (ZFS.format("rpool/data/vm-103-state-x"), None),
        (ZFS.format("other/vm-103-disk-0"), None),
        (LVM.format("vm-103-disk-0", "san"), None),
    ],
)
def test_a_volume_without_a_file_is_named_by_its_pool(words: str, volume: str | None) -> None:
    disk = left_disk(f"Unable to clone: clone failed: {words}.", STORAGES)
    assert (disk and disk.volume) == volume
    assert disk is None or (disk.ctid, disk.shared) == (103, volume == "ceph:vm-103-disk-0")


@pytest.mark.parametrize(
    "path",
    [
        "/mnt/fast/images/103/base-103-disk-0.raw",
        "/mnt/fast/images/103/vm-104-disk-0.raw",
        "/mnt/fast/images/103/vm-103-disk-0.qcow2",
        "/mnt/fast/images/103/../104/vm-103-disk-0.raw",
        "/mnt/faster/images/103/vm-103-disk-0.raw",
        "/elsewhere/images/103/vm-103-disk-0.raw",
        "/mnt/fast/images/103/vm-103-disk-0.raw\n",
    ],
)
def test_what_is_no_disk_of_a_container_on_a_storage_has_no_volume(path: str) -> None:
    assert left_disk(f"disk image '{path}' already exists", STORAGES) is None
    assert left_disk("CT 103 already exists on node 'pve1'", STORAGES) is None


@pytest.mark.parametrize(
    ("disk", "node", "death", "why"),
    [
        (DISK, "pve1", DIED, ""),
        (DISK, "pve1", None, "nothing proves that phoenix-lxc began to make it"),
        (DISK, "pve2", DIED, "nothing proves that phoenix-lxc began to make it"),
        (replace(DISK, ctid=104), "pve1", DIED, "it is of CT 104"),
        (replace(DISK, shared=True), "pve1", DIED, "its storage is shared, and another node may use it"),
    ],
)
def test_only_what_an_order_of_ours_left_on_that_node_is_ours(
    disk: LeftDisk, node: str, death: Death | None, why: str
) -> None:
    assert why_not_ours(disk, 103, node, death) == why


def test_whoever_had_the_id_since_may_have_left_it() -> None:
    assert made_by_others([], DIED, ME) == ""
    assert made_by_others([task(user=ME), task("vzdestroy"), task(started=900)], DIED, ME) == ""
    for kind in ("vzcreate", "vzrestore", "qmcreate", "qmrestore", "qmclone", "vzmigrate", "qmigrate", "vzmtunnel"):
        assert made_by_others([task(kind)], DIED, ME) == "root@pam made a guest 103 since (UPID:x)", kind
    assert made_by_others([task(started=999)], DIED, ME), "clocks differ"
    assert made_by_others([task(started=940)], DIED, ME), "by a minute"
    assert made_by_others([task(started=939)], DIED, ME) == ""


@pytest.mark.parametrize("started", [0, 1000, 99_000])
def test_what_was_known_of_others_then_is_told_from_what_they_made_since_by_no_clock(started: int) -> None:
    then = replace(DIED, known=frozenset({"UPID:x"}))
    assert made_by_others([task(started=started)], then, ME) == ""
    since = replace(task(started=started), upid="UPID:y")
    assert made_by_others([since, task()], then, ME) == "root@pam made a guest 103 since (UPID:y)"
    assert made_by_others([task()], replace(DIED, known=frozenset()), ME), "the node did not say what there was"


def test_any_task_that_runs_is_at_work_on_it() -> None:
    assert not is_at_work([], [task()])
    assert is_at_work([task("vzclone")], [])
    assert is_at_work([], [task("vzdestroy", ME, running=True)])
