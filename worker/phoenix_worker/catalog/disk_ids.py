"""The ids of one mount: which ids on its disk those inside the container are, as Proxmox writes it."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Annotated

from pydantic import AfterValidator

from phoenix_worker.catalog.fields import Matching, refused
from phoenix_worker.catalog.id_maps import IdMaps

_PASSTHROUGH = "passthrough"
_MAP = r"[ug]:[0-9]{1,10}:[0-9]{1,10}:[1-9][0-9]{0,9}"


def on_disk(disk_ids: str, kind: str, inside: int) -> int | None:
    """Return the id on the disk of a user (`u`) or group (`g`) inside; None where no map speaks of it."""
    if disk_ids == _PASSTHROUGH:
        return inside
    maps = tuple(one.replace(":", " ") for one in disk_ids.split(";"))
    return IdMaps(maps).on_node(kind, inside)


def _each_once(value: str) -> str:
    """Refuse an id with two maps, inside or on the disk (`validate_id_maps` in pve-container)."""
    maps = [re.split(":", one) for one in value.split(";") if one != _PASSTHROUGH]
    for one, other in combinations(maps, 2):
        for side, first in (("inside", 1), ("on the disk", 2)):
            (a, b), (m, n) = ((int(each[first]), int(each[3])) for each in (one, other))
            if one[0] == other[0] and a < m + n and m < a + b:
                problem = f"has an id {side} that is in {':'.join(one)} and in {':'.join(other)}"
                raise refused(problem, "Let each id be in one of its maps.")
    return value


DiskIds = Annotated[
    str,
    Matching(
        rf"{_PASSTHROUGH}|{_MAP}(;{_MAP})*",
        "which ids on the disk those inside are",
        "Write passthrough, or maps such as u:1000:1005:1;g:100:50:5.",
    ),
    AfterValidator(_each_once),
]
