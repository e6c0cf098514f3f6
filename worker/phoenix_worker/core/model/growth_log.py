"""Whether a file system grew with its disk, by the log of a `resize` that ended well: nothing else tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_WENT_WRONG = re.compile(
    r"\b(failed|failure|denied|unable to|can't|cannot|couldn't|could not|bad magic|bad option|wrong fs type|"
    r"not (permitted|supported|mounted|found|clean)|(does not|doesn't) support|unsupported|no (space|such)|busy|"
    r"read-only|invalid argument|input/output error|short (read|write)|is only \d+|too (many|large)|smaller than|"
    r"nothing to do|exceeded|unexpected inconsistency|run fsck|please run)\b",
    re.IGNORECASE,
)
_OF_OTHER_DISKS = re.compile(r"^\s*(WARNING: |File descriptor \d+ |/dev/[\w/-]+: open failed: )")
"""What LVM says, whatever it was asked for: of drives without a medium, and of thin pools that are promised twice."""


def not_grown(log: Iterable[str]) -> str:
    """Return the first line that says that the file system did not grow; nothing if it did."""
    lines = (line.strip() for line in log if not _OF_OTHER_DISKS.match(line))
    return next((line for line in lines if _WENT_WRONG.search(line)), "")
