"""Which containers are linked clones of a template: their disks are made of its own, and cannot be without them.

Storages that know it say it in the volume's name, `zfs:basevol-900-disk-0/subvol-801-disk-0`, or name its `parent`
(pve-storage: `ZFSPoolPlugin`, `RBDPlugin`, `Plugin` for qcow2). LVM-thin and btrfs tell nobody: there a clone that is
declared as linked, and is ours, counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phoenix_worker.core.model import property_string

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import Volume

_VOLUME_KEYS = re.compile(r"rootfs|mp\d+")


def storages_of(seen: Observation) -> tuple[str, ...]:
    """Name the storages that a container has volumes on; bind mounts and devices are on none."""
    mounts = (value.split(",")[0] for key, value in seen.config.items() if _VOLUME_KEYS.fullmatch(key))
    storages = (volume.partition(":")[0] for volume in mounts if ":" in volume and not volume.startswith("/"))
    return tuple(sorted(set(storages)))


def linked_by_name(template: int, volumes: Iterable[Volume]) -> set[int]:
    """Find the CTIDs whose volumes say that they are made of a volume of this template."""
    base = re.compile(rf"(?:^|[:/])base(?:vol)?-{template}-[^/@]+(?=[/@])")
    return {
        one.ctid
        for one in volumes
        if one.ctid is not None and one.ctid != template and (base.search(one.id) or base.search(one.parent))
    }


def may_be_linked(template: Observation, clone: Observation, via: int | None = None) -> bool:
    """Return whether a clone that is declared as linked can be one: it is ours, and on the template's storage.

    `via` is the copy of its template that this one is; a clone keeps to what it was cloned from.
    """
    marker = clone.marker
    if marker is None or not clone.is_ours or marker.via != via:
        return False
    return root_storage(clone) == root_storage(template)


def root_storage(seen: Observation) -> str:
    """Name the storage of a root disk; nothing where there is none."""
    root = property_string.parse(seen.config.get("rootfs", ""), "volume")
    return root.get("volume", "").partition(":")[0]
