"""Files that are read whole: none that has no end, or waits for ever for a writer."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


def read_regular(path: Path, most_bytes: int = -1) -> bytes:
    """Return the content of a regular file, which has no more bytes than that.

    Raises OSError when it is of another kind, cannot be read or has more, and ValueError for a name that no file has.
    """
    with open(os.open(path, _OPEN), "rb") as file:  # noqa: PTH123 - a file that is open
        kind = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "it is a directory" if stat.S_ISDIR(kind) else "it is a pipe or a device")
        content = file.read(most_bytes + 1 if most_bytes >= 0 else -1)
    if len(content) > most_bytes >= 0:
        raise OSError(errno.EFBIG, f"it has more than {most_bytes // 1024**2} MiB")
    return content
