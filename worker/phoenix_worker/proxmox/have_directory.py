"""A program for the node, run there as root: make the directory of a bind mount, and follow no link on the way.

Arguments: the path, user id, group id, and 1 if the owner is declared. What a container may write to is on the way
where one bind mount is inside another, and it may change at any moment: so each component is opened by itself, from the
one before, and what is opened is what is changed. Proxmox follows no link to a bind mount either (`walk_tree_nofollow`
in pve-container). It needs nothing but Python's standard library. Exit code 0: the directory is there.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Refused(Exception):  # noqa: N818 - reads as what it is
    """There is something on the way that is not followed or not changed."""


def opened(parent: int, name: str) -> int:
    """Open what is a directory itself. Raises Refused for a link, and for anything else."""
    try:
        return os.open(name, _FLAGS, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        link = stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
        raise Refused(f"its part {name} is {'a link' if link else 'not a directory'}") from error


def enter(parent: int, name: str) -> tuple[int, bool]:
    """Open a directory in an open one, made if it is not there; whether it is new. Raises Refused for a link."""
    for _ in range(3):
        try:
            return opened(parent, name), False
        except FileNotFoundError:
            pass
        try:
            os.mkdir(name, 0o755, dir_fd=parent)
        except FileExistsError:
            continue
        made = opened(parent, name)
        # Another may have been put in its place: what has content, or an owner, counts as one that was there. So does
        # what a file system makes for somebody else (CIFS with uid=, NFS without root), where no owner can be set.
        return made, not os.listdir(made) and os.fstat(made).st_uid == os.geteuid()  # noqa: PTH208 - of what is open
    raise Refused(f"its part {name} comes and goes")


def have_directory(path: str, uid: int, gid: int, *, owned: bool) -> None:
    """Make it unless it is there. Its owner is set when it is new, or when one is declared."""
    here, new = os.open("/", _FLAGS), False
    for name in path.strip("/").split("/"):
        if name in ("", ".", ".."):
            raise Refused("it has a part that names no directory")
        below, new = enter(here, name)
        os.close(here)
        here = below
    if new or owned:
        os.fchown(here, uid, gid)


if __name__ == "__main__":
    try:
        have_directory(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), owned=sys.argv[4] == "1")
    except (Refused, OSError) as refused:
        sys.exit(f"{sys.argv[1]}: {getattr(refused, 'strerror', None) or refused}")
