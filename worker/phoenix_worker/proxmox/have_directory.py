"""A program for the node, run there as root: make the directory of a bind mount, and follow no link on the way.

Arguments: the directory below which no link is followed, the path, user id, group id, and 1 if the owner is declared.
What a container may write to is on the way where one bind mount is inside another, and it may change at any moment: so
each component is opened by itself, from the one before, and what is opened is what is changed. It needs nothing but
Python's standard library. Exit code 0: the directory is there.
"""

from __future__ import annotations

import errno
import os
import sys

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Refused(Exception):  # noqa: N818 - reads as what it is
    """There is something on the way that is not followed or not changed."""


def opened(parent: int, name: str) -> int:
    """Open what is a directory itself. Raises Refused for a link, and for anything else."""
    try:
        return os.open(name, _FLAGS, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Refused(f"its part {name} is a link, or is not a directory") from error
        raise


def enter(parent: int, name: str) -> tuple[int, bool]:
    """Open a directory in an open one, made if it is not there; whether it was made. Raises Refused for a link."""
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
        # Another may have been put in its place: what has content, or an owner, is not the one that was made.
        if os.listdir(made) or os.fstat(made).st_uid != os.geteuid():  # noqa: PTH208 - of what is open
            raise Refused(f"its part {name} was replaced while it was made")
        return made, True
    raise Refused(f"its part {name} comes and goes")


def have_directory(root: str, path: str, uid: int, gid: int, *, owned: bool) -> None:
    """Make it unless it is there. Its owner is set when it is new, or when one is declared."""
    here, new = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), False
    for name in os.path.relpath(path, root).split("/"):
        if name == "..":
            raise Refused(f"it is not in {root}")
        if name != ".":
            below, new = enter(here, name)
            os.close(here)
            here = below
    if new or owned:
        os.fchown(here, uid, gid)


if __name__ == "__main__":
    try:
        have_directory(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), owned=sys.argv[5] == "1")
    except (Refused, OSError) as refused:
        sys.exit(f"{sys.argv[2]}: {getattr(refused, 'strerror', None) or refused}")
