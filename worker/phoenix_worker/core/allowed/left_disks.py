"""A disk that lies where one is to be made: which volume it is, and whether it is ours to free.

A clone's or create's worker that is killed on btrfs between the subvolume and its `disk.raw` leaves a disk that no list
shows, once its configuration is gone. Proxmox takes its name for free, and whoever makes that CTID again fails over it.
Other storages list what lies there, and the next disk gets another name: there it takes a list that was read too early.
What a later destroy finds by its CTID goes with the container then (`destroy-unreferenced-disks`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from phoenix_worker.core.model.ports import ProxmoxTask, Storage

LEFT_DISK = "left-disk"
"""The cause of a failure over such a disk."""
_PATH = re.compile(r"disk image '([^']+)' already exists")
_IN_A_POOL = (
    (re.compile(r"cannot create '(?P<pool>[^']+)/(?P<name>[^'/]+)': dataset already exists"), {"zfspool"}),
    (
        re.compile(r"Logical [Vv]olume \"(?P<name>[^\"]+)\" already exists in volume group \"(?P<pool>[^\"]+)\""),
        {"lvm", "lvmthin"},
    ),
    (re.compile(r"rbd create '(?P<name>[^']+)'(?P<pool>) error: .*File exists"), {"rbd"}),
)
"""What ZFS, LVM and Ceph say, with the types of storages. Ceph does not name the pool."""
_IN_POOL_NAME = re.compile(r"(vm|subvol)-(?P<ctid>\d+)-disk-\d+")
_IMAGE = re.compile(
    r"(?P<dir>\d+)/(?P<name>(?P<kind>vm|subvol)-(?P<ctid>\d+)-disk-\d+)(?P<ext>\.raw|\.subvol)?(/disk\.raw)?"
)
_EXTENSIONS = {"vm": ".raw", "subvol": ".subvol"}
_CLOCK_SKEW = 60.0
"""Seconds that the clocks of nodes and workers may differ, for what older workers have noted."""
_MAKES_OR_MOVES = re.compile(r"vz(create|restore|migrate|mtunnel|clone)|qm(create|restore|igrate|tunnel|clone)")


@dataclass(frozen=True, slots=True)
class LeftDisk:
    """A volume, whose name says which CTID it is of."""

    volume: str
    """Such as `local-btrfs:103/vm-103-disk-0.raw`."""
    ctid: int
    shared: bool
    """Whether another node may use it."""


@dataclass(frozen=True, slots=True)
class Death:
    """What the ledger has of an order of ours to make a CTID: its Proxmox worker died, and it was not made since."""

    node: str
    at: float
    """When that was seen, in seconds since the epoch."""
    known: frozenset[str] | None = None
    """The UPIDs of what others had made or moved by then; None if an older worker has noted it."""


def left_disk(words: str, storages: Iterable[Storage]) -> LeftDisk | None:
    """Return the volume that is in the way, by what Proxmox says; None where that is no disk of one storage alone."""
    known = list(storages)
    found = _PATH.search(words)
    if found is None:
        return next(_in_pools(words, known), None)
    fitting = [one for one in known if one.path and found[1].startswith(f"{one.path}/images/")]
    for storage in sorted(fitting, key=lambda one: -len(one.path)):
        image = _IMAGE.fullmatch(found[1].removeprefix(f"{storage.path}/images/"))
        if image is not None and image["dir"] == image["ctid"]:
            name = image["name"] + (image["ext"] or _EXTENSIONS[image["kind"]])
            return LeftDisk(f"{storage.name}:{image['ctid']}/{name}", int(image["ctid"]), storage.shared)
    return None


def _in_pools(words: str, storages: Sequence[Storage]) -> Iterator[LeftDisk]:
    for pattern, kinds in _IN_A_POOL:
        found = pattern.search(words)
        name = _IN_POOL_NAME.fullmatch(found["name"]) if found is not None else None
        if found is None or name is None:
            continue
        fitting = [one for one in storages if one.kind in kinds and found["pool"] in {"", one.pool}]
        if len(fitting) == 1:
            yield LeftDisk(f"{fitting[0].name}:{name[0]}", int(name["ctid"]), fitting[0].shared)


def why_not_ours(disk: LeftDisk, ctid: int, node: str, death: Death | None) -> str:
    """Say what of the proof is missing that it was left by an order of ours; nothing if it is whole."""
    if disk.ctid != ctid:
        return f"it is of CT {disk.ctid}"
    if death is None or death.node != node:
        return "nothing proves that phoenix-lxc began to make it"
    return "its storage is shared, and another node may use it" if disk.shared else ""


def is_at_work(makers: Iterable[ProxmoxTask], tasks: Iterable[ProxmoxTask]) -> bool:
    """Return whether a Proxmox task may use it: one that may be making the CTID runs, or one that names it."""
    return any(makers) or any(task.running for task in tasks)


def makings_of_others(tasks: Iterable[ProxmoxTask], me: str) -> list[ProxmoxTask]:
    """Return the tasks by which others made or moved a guest. `tasks` are those that name its id."""
    return [one for one in tasks if one.user != me and _MAKES_OR_MOVES.match(one.kind)]


def made_by_others(tasks: Iterable[ProxmoxTask], death: Death, me: str) -> str:
    """Say who else made or moved a guest of this id since; nothing if nobody did. `tasks` are those that name it."""
    since = death.at - _CLOCK_SKEW

    def is_since(one: ProxmoxTask) -> bool:
        return one.started >= since if death.known is None else one.upid not in death.known

    others = [one for one in makings_of_others(tasks, me) if is_since(one)]
    return f"{others[0].user} made a guest {others[0].guest} since ({others[0].upid})" if others else ""
