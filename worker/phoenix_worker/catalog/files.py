"""Files as they were when they were read. A change meanwhile is seen, also one that leaves time and size alone."""

from __future__ import annotations

import errno
import os
import stat
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from phoenix_producer.client.regular_files import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FileStat = tuple[int, int, int, int]
"""Times of content and of inode in ns, size, and number of the inode."""
_SEEN_AT_MOST = 2000
FILE_AT_MOST = 32 * 1024 * 1024
"""Bytes of a script or another file beside a catalog."""
CHANGES = "changes while it is read"
_PAUSES_S = 0.0, 0.02, 0.1
"""Before a file that changed while it was read is read again."""


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file's content, and what was seen of it from outside before it was read."""

    stat: FileStat | None
    """None when it was not there."""
    content: bytes | None
    """None when it could not be read; of a directory an archive."""
    is_directory: bool = False
    """Whether it was read as a directory."""
    problem: str = ""
    """Why what is there is not taken."""

    @property
    def known_by(self) -> bytes:
        """What another reading is compared with."""
        return self.content or f"{self.content}{self.problem}".encode("utf-8", "surrogateescape")


def stat_of(path: Path) -> FileStat | None:
    """See a file from outside, or a directory with all that is in it; None when it is not there."""
    try:
        seen = os.stat(path)  # noqa: PTH116 - as cheap as it gets: this runs for every task
        return _tree(path) if stat.S_ISDIR(seen.st_mode) else _told(seen)
    except (OSError, ValueError):
        return None


def _told(seen: os.stat_result) -> FileStat:
    return seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino


def _tree(path: Path) -> FileStat:
    """See a directory: the latest times in it, and a number for all of it. Beyond what is ever pushed it is cut."""
    found = {"": _told(os.stat(path))}  # noqa: PTH116 - as cheap as it gets
    folders = [os.fspath(path)]
    while folders and len(found) <= _SEEN_AT_MOST:
        # What goes meanwhile ends the look at its directory, whose time is another one then.
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in islice(entries, _SEEN_AT_MOST):
                found[entry.path] = _told(entry.stat(follow_symlinks=False))
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    whole = zlib.crc32(repr(sorted(found.items())).encode("utf-8", "surrogateescape"))
    return max(one[0] for one in found.values()), max(one[1] for one in found.values()), len(found), whole


def read_file(path: Path) -> FileRead:
    """Read a file once. A name that no file can have, or a folder that may not be read, is not there for us.

    Nor is a pipe or a device: it may have no end, or wait for ever for a writer.
    """
    return unchanged(path, _read_now)


def unchanged(path: Path, read: Callable[[Path, FileStat | None], FileRead]) -> FileRead:
    """Have something read. What changes meanwhile is read again: no half of it is taken for the whole."""
    for pause in (*_PAUSES_S, None):
        seen = stat_of(path)
        found = read(path, seen)
        if stat_of(path) == seen:
            return found
        if pause is not None:
            time.sleep(pause)
    return replace(found, content=None, problem=CHANGES if found.is_directory else f"it {CHANGES}")


def _read_now(path: Path, seen: FileStat | None) -> FileRead:
    try:
        return FileRead(seen, read_regular(path, FILE_AT_MOST))
    except OSError as error:
        return FileRead(seen, None, problem=str(error.strerror) if error.errno == errno.EFBIG else "")
    except ValueError:
        return FileRead(seen, None)
