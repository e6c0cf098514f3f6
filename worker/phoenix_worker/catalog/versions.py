"""Which version of Proxmox VE the keys of an entry take, where it is a newer one than the oldest that is supported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.catalog.entry import Entry

_OCI_IMAGES = (9, 1)
_DEVICES = (8, 2)
_DENY_WRITE = (8, 3)


def needs_version(entry: Entry, *, image: bool) -> Iterator[tuple[str, tuple[int, int]]]:
    """Give each such key with its version."""
    if (entry.template or "").startswith("oci://") and entry.clone_from_ctid is None:
        yield "template oci://", _OCI_IMAGES
    if entry.entrypoint is not None:
        yield "entrypoint", _OCI_IMAGES
    if entry.environment and image:
        yield "environment", _OCI_IMAGES
    if any(device.deny_write is not None for device in entry.devices):
        yield "devices.deny_write", _DENY_WRITE
    elif entry.devices:
        yield "devices", _DEVICES
