"""A disk that lies where one is to be made: which volume it is, and whether it is ours to free.

A clone's or create's worker that is killed on btrfs between the subvolume and its `disk.raw` leaves a disk that no list
shows, once its configuration is gone. Proxmox takes its name for free, and whoever makes that CTID again fails over it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phoenix_worker.core.model.ports import ProxmoxTask, Storage

LEFT_DISK = "left-disk"
"""The cause of a failure over such a disk."""
_PATH = re.compile(r"disk image '([^']+)' already exists")
_IMAGE = re.compile(
    r"(?P<dir>\d+)/(?P<name>(?P<kind>vm|subvol)-(?P<ctid>\d+)-disk-\d+)(?P<ext>\.raw|\.subvol)?(/disk\.raw)?"
)
_EXTENSIONS = {"vm": ".raw", "subvol": ".subvol"}
_CLOCK_SKEW = 60.0
"""Seconds that the clocks of nodes and workers may differ."""
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


def left_disk(words: str, storages: Iterable[Storage]) -> LeftDisk | None:
    """Return the volume that is in the way, by what Proxmox says; None where its path is no disk of a storage."""
    found = _PATH.search(words)
    if found is None:
        return None
    fitting = [one for one in storages if one.path and found[1].startswith(f"{one.path}/images/")]
    for storage in sorted(fitting, key=lambda one: -len(one.path)):
        image = _IMAGE.fullmatch(found[1].removeprefix(f"{storage.path}/images/"))
        if image is not None and image["dir"] == image["ctid"]:
            name = image["name"] + (image["ext"] or _EXTENSIONS[image["kind"]])
            return LeftDisk(f"{storage.name}:{image['ctid']}/{name}", int(image["ctid"]), storage.shared)
    return None


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


def made_by_others(tasks: Iterable[ProxmoxTask], death: Death, me: str) -> str:
    """Say who else made or moved a guest of this id since; nothing if nobody did. `tasks` are those that name it."""
    since = death.at - _CLOCK_SKEW
    others = [one for one in tasks if one.user != me and one.started >= since and _MAKES_OR_MOVES.match(one.kind)]
    return f"{others[0].user} made a guest {others[0].guest} since ({others[0].upid})" if others else ""
