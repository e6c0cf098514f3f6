"""Proxmox's unique task ids, `UPID:node:pid:pstart:starttime:type:id:user:`, numbers in hexadecimal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from phoenix_worker.core.model.errors import PermanentError

_PARTS = 9


@dataclass(frozen=True, slots=True)
class Upid:
    """What a UPID tells. `user` has the name of the API token: `user@realm!token`."""

    text: str
    node: str
    started: int
    kind: str
    guest: str
    user: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a UPID. Raises PermanentError for anything else."""
        parts = text.split(":")
        if len(parts) != _PARTS or parts[0] != "UPID":
            raise PermanentError(
                f"Unable to read the Proxmox task id {text!r}: it is not a UPID.",
                cause="bad-upid",
                remedy="Check that the address in PHOENIX_PROXMOX_HOST is that of Proxmox itself.",
            )
        _, node, _, _, started, kind, guest, user, _ = parts
        return cls(text, node, int(started, 16), kind, guest, user)
