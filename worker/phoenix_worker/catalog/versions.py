"""Which version of Proxmox VE the keys of an entry take, where it is a newer one than the oldest that is supported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.catalog.interfaces import interfaces
from phoenix_worker.catalog.root_only import USER_OF_INIT, raw_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.catalog.entry import Entry

_OCI_IMAGES = (9, 1)
_DEVICES = (8, 2)
_DENY_WRITE = (8, 3)
_HOST_MANAGED = (9, 1)
_IDS_AND_OWNERS_OF_MOUNTS = (9, 2)
_USER_OF_INIT = (9, 2)


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
    if any(one.host_managed is not None for one in interfaces(entry).values()):
        yield "host_managed", _HOST_MANAGED
    yield from _of_lists(entry)


def _of_lists(entry: Entry) -> Iterator[tuple[str, tuple[int, int]]]:
    """Give those of raw lines and mounts."""
    for key in dict.fromkeys(key for _, (key, _) in raw_lines(entry) if key in USER_OF_INIT):
        yield f"lxc_options.{key}", _USER_OF_INIT
    for where in ("mount_points", "volumes", "zfs_volumes"):
        for key in ("idmap", "keepattrs"):
            if any(getattr(mount, key) is not None for mount in getattr(entry, where)):
                yield f"{where}.{key}", _IDS_AND_OWNERS_OF_MOUNTS
