"""What the log of a `resize` says of the file system: real texts of e2fsprogs, util-linux, LVM and Proxmox."""

from __future__ import annotations

import pytest

from phoenix_worker.core.model.growth_log import not_grown

OFFLINE = (
    "e2fsck 1.47.2 (1-Jan-2025)",
    "MMP interval is 5 seconds and total wait time is 22 seconds. Please wait...",
    "Pass 1: Checking inodes, blocks, and sizes",
    "Pass 5: Checking group summary information",
    "/dev/pve/vm-103-disk-0: 18012/524288 files (0.2% non-contiguous), 187214/2097152 blocks",
    "resize2fs 1.47.2 (1-Jan-2025)",
    "Resizing the filesystem on /dev/pve/vm-103-disk-0 to 4194304 (4k) blocks.",
    "The filesystem on /dev/pve/vm-103-disk-0 is now 4194304 (4k) blocks long.",
)
ONLINE = (
    "resize2fs 1.47.2 (1-Jan-2025)",
    "Filesystem at /dev/loop0 is mounted on /tmp; on-line resizing required",
    "old_desc_blocks = 1, new_desc_blocks = 2",
    "The filesystem on /dev/loop0 is now 4194304 (4k) blocks long.",
)
LVM = (
    "  WARNING: Failed to read metadata of a PV that is not ours",
    "  /dev/sr0: open failed: No medium found",
    "  WARNING: Sum of all thin volume sizes (1.10 TiB) exceeds the size of thin pool pve/data (340.00 GiB).",
    "  WARNING: You have not turned on protection against thin pools running out of space.",
    "File descriptor 13 (socket:[48211]) leaked on lvs invocation. Parent PID 9731: task UPID:pve",
    "  Size of logical volume pve/vm-103-disk-0 changed from 8.00 GiB (2048 extents) to 16.00 GiB (4096 extents).",
    "  Logical volume pve/vm-103-disk-0 successfully resized.",
)


@pytest.mark.parametrize(
    "log",
    [
        (),
        ("",),
        OFFLINE,
        ONLINE,
        (*LVM, *OFFLINE),
        ("Image resized.", *ONLINE),
        ("Resizing image: 100% complete...done.",),
    ],
)
def test_what_grew_is_no_warning(log: tuple[str, ...]) -> None:
    assert not_grown(log) == ""


@pytest.mark.parametrize(
    "line",
    [
        "Failed to update the container's filesystem: command 'e2fsck -f -y /dev/loop0' failed: exit code 4",
        "WARN: Failed to update the container's filesystem: command 'unshare -m -- sh -c ...' failed: exit code 32",
        "resize2fs: Permission denied to resize filesystem",
        "resize2fs: Operation not permitted While checking for on-line resizing support",
        "resize2fs: Bad magic number in super-block while trying to open /dev/loop0",
        "Couldn't find valid filesystem superblock.",
        "resize2fs: Device or resource busy while trying to open /dev/loop0",
        "resize2fs: Read-only file system While checking for on-line resizing support",
        "resize2fs: No space left on device While trying to add group #128",
        "resize2fs: Invalid argument While checking for on-line resizing support",
        "resize2fs: Filesystem does not support online resizing: not supported",
        "Please run 'e2fsck -f /dev/loop0' first.",
        "The filesystem is already 2097152 (4k) blocks long.  Nothing to do!",
        "/dev/loop0: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.",
        "mount: /tmp: wrong fs type, bad option, bad superblock on /dev/loop0, missing codepage or helper program.",
        "mount: /tmp: /dev/loop0 already mounted or mount point busy.",
        "mount: /tmp: special device /dev/loop0 does not exist: no such file or directory",
        "xfs_growfs: /tmp is not a mounted XFS filesystem: not found",
        "cannot set property for 'rpool/data/subvol-103-disk-0': out of space",
        "losetup: /dev/loop0: set capacity failed: Inappropriate ioctl for device",
        "sh: 1: resize2fs: not found",
        "quota: Disk quota exceeded",
        "resize2fs: Kernel does not support online resizing",
        "resize2fs: Filesystem has unsupported feature(s) while trying to open /dev/loop0",
        "The containing partition (or device) is only 2097152 (4k) blocks.",
        "New size results in too many block group descriptors.",
        "resize2fs: New size too large to be expressed in 32 bits",
        "resize2fs: New size smaller than minimum (187214)",
        "resize2fs: Input/output error while trying to resize /dev/loop0",
        "e2fsck: Attempt to read block from filesystem resulted in short read while trying to open /dev/loop0",
        "btrfs: ERROR: unable to resize '/tmp': no enough free space",
    ],
)
def test_what_went_wrong_is_found_among_the_rest(line: str) -> None:
    assert not_grown((*LVM, OFFLINE[0], f"{line}  ", OFFLINE[2])) == line
