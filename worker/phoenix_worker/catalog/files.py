"""Files as they were when they were read. A change meanwhile is seen, also one that leaves time and size alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FileStat = tuple[int, int, int, int]
"""Times of content and of inode in ns, size, and number of the inode."""


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file's content, and what was seen of it from outside before it was read."""

    stat: FileStat | None
    """None when it was not there."""
    content: bytes | None
    """None when it could not be read."""


def stat_of(path: Path) -> FileStat | None:
    """See a file from outside; None when it is not there."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - as cheap as it gets: this runs for every task
    except (OSError, ValueError):
        return None
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino


def read_file(path: Path) -> FileRead:
    """Read a file once. A name that no file can have, or a folder that may not be read, is not there for us."""
    stat = stat_of(path)
    try:
        return FileRead(stat, path.read_bytes())
    except (OSError, ValueError):
        return FileRead(stat, None)
