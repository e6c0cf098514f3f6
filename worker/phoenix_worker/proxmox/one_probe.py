"""Which of a worker's processes finds out whether a silent node answers again: one, or all children of a pool hang."""

from __future__ import annotations

import fcntl
import os
import tempfile
import weakref
from contextlib import suppress
from zlib import crc32


class OneProbe:
    """One lock of the kernel for each node, in a file that child processes inherit; who dies lets go of its locks.

    Within one process it excludes nobody.
    """

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as file:
            self._file = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._file)

    def begin(self, node: str) -> bool:
        """Return whether no other process is at it. If so, it is this one until `end`."""
        with suppress(OSError):
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, crc32(node.encode()))
            return True
        return False

    def end(self, node: str) -> None:
        """Let another begin."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, crc32(node.encode()))
