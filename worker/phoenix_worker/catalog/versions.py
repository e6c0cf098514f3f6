"""Which version of Proxmox VE the keys of an entry take, where it is a newer one than the oldest that is supported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.catalog.entry import Entry

_DEVICES = (8, 2)
_DENY_WRITE = (8, 4)


def needs_version(entry: Entry) -> Iterator[tuple[str, tuple[int, int]]]:
    """Give each such key with its version."""
    if any(device.deny_write is not None for device in entry.devices):
        yield "devices.deny_write", _DENY_WRITE
    elif entry.devices:
        yield "devices", _DEVICES
