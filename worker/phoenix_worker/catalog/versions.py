"""Which version of Proxmox VE the keys of an entry take, where it is a newer one than the oldest that is supported.

A version is that of pve-manager, which Proxmox tells. For each key it is the first one that came after the
pve-container or the pve-storage that has it, by the dates in their repositories.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.catalog.interfaces import interfaces
from phoenix_worker.catalog.root_only import raw_lines
from phoenix_worker.catalog.template_fields import HTTP, OCI, name_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phoenix_worker.catalog.entry import Entry
    from phoenix_worker.catalog.mount_sections import DiskOptions

_OCI_IMAGES = (9, 1)
_DEVICES = (8, 1)
_DENY_WRITE = (8, 2, 5)
_HOST_MANAGED = (9, 1)
_OWNERS_OF_MOUNTS = (9, 1, 6)
_IDS_OF_MOUNTS = (9, 1, 11)
_DISCARD = (8, 2, 9)
_ARCHIVES = {".tar": (9, 1), ".tar.bz2": (8, 2, 9)}
_RAW_LINES = {
    "lxc.init.cwd": (9, 0),
    **dict.fromkeys(("lxc.environment.runtime", "lxc.environment.hooks"), (9, 1)),
    **dict.fromkeys(("lxc.init.uid", "lxc.init.gid", "lxc.init.groups"), (9, 1, 6)),
}
"""An older Proxmox drops these lines."""


def needs_version(entry: Entry, *, image: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give each such key with its version."""
    if entry.clone_from_ctid is None:
        yield from _of_template(entry.template or "")
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


def _of_template(template: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    if template.startswith(OCI):
        yield "template oci://", _OCI_IMAGES
    else:
        name = name_in(template).lower() if template.startswith(HTTP) else template.lower()
        yield from ((f"template {kind}", needed) for kind, needed in _ARCHIVES.items() if name.endswith(kind))


def _of_lists(entry: Entry) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give those of raw lines and mounts."""
    for key in dict.fromkeys(key for _, (key, _) in raw_lines(entry) if key in _RAW_LINES):
        yield f"lxc_options.{key}", _RAW_LINES[key]
    for where, mounts in _mounts(entry).items():
        if any(mount.idmap is not None for mount in mounts):
            yield f"{where}.idmap", _IDS_OF_MOUNTS
        if any(getattr(mount, "keepattrs", None) is not None for mount in mounts):
            yield f"{where}.keepattrs", _OWNERS_OF_MOUNTS
        if any("discard" in (mount.mount_options or ()) for mount in mounts):
            yield f"{where}.mount_options discard", _DISCARD


def _mounts(entry: Entry) -> dict[str, Sequence[DiskOptions]]:
    root = () if entry.root_disk is None else (entry.root_disk,)
    return {
        "root_disk": root,
        "mount_points": entry.mount_points,
        "volumes": entry.volumes,
        "zfs_volumes": entry.zfs_volumes,
    }
