"""One row of the table of what Proxmox says: the text, whether trying again may help, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """Whether trying again may help."""

    TRANSIENT = auto()
    PERMANENT = auto()


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of answer.

    No status means any. The remedy may name the pattern's groups, `{needs}`, the privileges that the call takes, and
    `{ctid}`.
    """

    pattern: str
    kind: Kind
    cause: str
    remedy: str
    statuses: tuple[int, ...] = ()


TASK = 0
"""Stands for the HTTP status where a task's end is read."""
