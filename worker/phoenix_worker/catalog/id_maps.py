"""Which ids of the node the ids of a container are."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ID_MAP = re.compile(r"([ug])\s+(\d+)\s+(\d+)\s+(\d+)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class IdMaps:
    """Which ids of the node a container's ids are: `u 0 100000 65536` and the like. Without any, they are the same."""

    lines: tuple[str, ...] = ()

    def on_node(self, kind: str, inside: int) -> int | None:
        """Return the node's id of a user (`u`) or group (`g`) in the container; None when it has none."""
        for line in self.lines:
            found = _ID_MAP.fullmatch(line)
            if found is not None and found[1] == kind:
                first, node, length = int(found[2]), int(found[3]), int(found[4])
                if first <= inside < first + length:
                    return node + inside - first
        return None if self.lines else inside


UNPRIVILEGED = IdMaps(("u 0 100000 65536", "g 0 100000 65536"))
"""What Proxmox maps in an unprivileged container that has no map of its own (`parse_id_maps` in pve-container)."""
