"""Volumes besides the root disk, `mp0` to `mp255`: known by where they are mounted, not by their number."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phoenix_worker.core.differs import mount_options, mount_order
from phoenix_worker.core.model import property_string

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from phoenix_worker.catalog.declaration import Declaration, Volume

_KEY = re.compile(r"mp\d{1,3}")
_STILL_TO_BE_MADE = re.compile(r"[^:/]+:\d+(\.\d+)?")
"""`storage:size`: Proxmox was asked for it and has not made it. It stays so when making it failed."""


@dataclass(frozen=True, slots=True)
class Mounted:
    """One `mpN` of a configuration. `storage` is empty for a bind mount; `size_gb` is None where none is shown."""

    key: str
    storage: str
    size_gb: float | None
    made: bool


def mounted(config: Mapping[str, str]) -> dict[str, Mounted]:
    """Return what is mounted, by its path in the container."""
    parts = {key: property_string.parse(value, "volume") for key, value in config.items() if _KEY.fullmatch(key)}
    return {
        mount_order.normal_path(mount.get("mp", "")): Mounted(
            key,
            storage_of(mount.get("volume", "")),
            property_string.size_gib(mount.get("size", "")),
            made=_STILL_TO_BE_MADE.fullmatch(mount.get("volume", "")) is None,
        )
        for key, mount in parts.items()
    }


def disk_sizes(config: Mapping[str, str]) -> dict[str, float]:
    """Return the size of each disk in GiB, by its key, the root disk first; a bind mount has none."""
    keys = (key for key in sorted(config, key=lambda key: (key != "rootfs", len(key), key)) if _is_disk(key))
    parts = {key: property_string.parse(config[key], "volume") for key in keys}
    found = {key: property_string.size_gib(one.get("size", "")) for key, one in parts.items()}
    return {key: size for key, size in found.items() if size is not None and math.isfinite(size)}


def _is_disk(key: str) -> bool:
    return key == "rootfs" or _KEY.fullmatch(key) is not None


def storage_of(volume: str) -> str:
    """Return the storage of a volume id; nothing for a path."""
    return "" if volume.startswith("/") else volume.partition(":")[0]


def absent(declared: Iterable[Volume], config: Mapping[str, str]) -> tuple[Volume, ...]:
    """Return the declared volumes that are still to be made."""
    there = mounted(config)
    return tuple(one for one in declared if one.mount_point not in there or not there[one.mount_point].made)


def new_volumes(declaration: Declaration, config: Mapping[str, str]) -> dict[str, str]:
    """Return the configuration of each declared volume that is not there and has a number: see `mount_order`."""
    keys = {path: one.key for path, one in mounted(config).items()} | mount_order.numbers(declaration, config)
    missing = absent(declaration.volumes, config)
    return {keys[volume.mount_point]: _order(volume) for volume in missing if volume.mount_point in keys}


def _order(volume: Volume) -> str:
    parts = mount_options.with_options(volume.options, {"mp": volume.mount_point})
    return mount_options.rendered(f"{volume.storage}:{volume.size_gb}", parts)


def remounted(declared: Iterable[Volume], config: Mapping[str, str]) -> dict[str, str]:
    """Return the configuration of each declared volume that is there and is to be mounted in another way."""
    there, changed = mounted(config), {}
    for volume in declared:
        present = there.get(volume.mount_point)
        if present is not None and present.storage and present.made:
            parts = property_string.parse(config[present.key], "volume")
            if mount_options.differ(volume.options, parts):
                new = mount_options.with_options(volume.options, parts)
                changed[present.key] = mount_options.rendered(parts["volume"], new)
    return changed


def root_remounted(options: Sequence[tuple[str, str]], config: Mapping[str, str]) -> dict[str, str]:
    """Return the configuration of a root disk that is to be mounted in another way."""
    parts = property_string.parse(config.get("rootfs", ""), "volume")
    if not parts or not mount_options.differ(options, parts):
        return {}
    return {"rootfs": mount_options.rendered(parts["volume"], mount_options.with_options(options, parts))}


def growing(declared: Iterable[Volume], config: Mapping[str, str]) -> dict[str, float]:
    """Return the size in GiB of each declared volume that is smaller now."""
    there = mounted(config)
    return {
        there[volume.mount_point].key: volume.size_gb
        for volume in declared
        if volume.mount_point in there and (there[volume.mount_point].size_gb or volume.size_gb) < volume.size_gb
    }


def unchangeable(declared: Iterable[Volume], config: Mapping[str, str]) -> Iterator[str]:
    """Say what of the declared volumes cannot be had any more."""
    there = mounted(config)
    for volume in declared:
        present = there.get(volume.mount_point)
        if present is None or not present.made:
            continue
        what = f"its volume {volume.mount_point}"
        if present.storage != volume.storage:
            where = f"is on {present.storage}" if present.storage else "is a directory of the node"
            yield f"{what} {where}, the catalog declares {volume.storage}, and disks are not moved"
        if present.size_gb is not None and present.size_gb > volume.size_gb:
            had = property_string.shown_gib(present.size_gb)
            yield f"{what} is {had}, the catalog declares {volume.size_gb} GiB, and a disk cannot shrink"
