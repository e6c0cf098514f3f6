"""Proxmox's unique task ids, `UPID:node:pid:pstart:starttime:type:id:user:`, numbers in hexadecimal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from phoenix_worker.core.model.errors import PermanentError

_FORM = re.compile(
    r"UPID:(?P<node>[A-Za-z0-9-]+):[0-9A-Fa-f]+:(?P<pstart>[0-9A-Fa-f]+):(?P<started>[0-9A-Fa-f]{1,16}):(?P<kind>[^:/\s]+)"
    r":(?P<guest>[^:/\s]*):(?P<user>[^:/\s]+):"
)
"""No part has a slash: they stand in the path of calls."""


@dataclass(frozen=True, slots=True)
class Upid:
    """What a UPID tells. `user` has the name of the API token: `user@realm!token`."""

    text: str
    node: str
    started: int
    kind: str
    guest: str
    user: str
    pstart: int = 0
    """When its process began, in ticks since the node started: it tells those of one second apart."""

    @property
    def began(self) -> tuple[int, int]:
        """What puts the tasks of one node in order, by its own clock."""
        return self.started, self.pstart

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a UPID. Raises PermanentError for anything else."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise PermanentError(
                f"Unable to read the Proxmox task id {text!r}: it is not a UPID.",
                cause="bad-upid",
                remedy="Check that the address in PHOENIX_PROXMOX_HOST is that of Proxmox itself.",
            )
        started, pstart = int(found["started"], 16), int(found["pstart"], 16)
        return cls(text, found["node"], started, found["kind"], found["guest"], found["user"], pstart)
