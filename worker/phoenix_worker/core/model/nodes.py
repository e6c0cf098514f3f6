"""What Proxmox shows of the nodes of a cluster at one moment."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_SUCH_NODE = "no-such-node"


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """One node. What the token may not see, or nobody knows of a node that is offline, is None."""

    name: str
    online: bool
    maintenance: bool = False
    """Whether Proxmox's HA has it in maintenance."""
    cpus: int | None = None
    cpu_used: float | None = None
    """Of all its CPUs, from 0 to 1."""
    memory: int | None = None
    memory_used: int | None = None
    templates: tuple[int, ...] = ()
    """The LXC templates that stand there."""

    @property
    def memory_free(self) -> int | None:
        """Bytes that nobody uses."""
        return None if self.memory is None or self.memory_used is None else max(0, self.memory - self.memory_used)


def refuse_unknown_node(name: str, known: Iterable[str], doing: str) -> None:
    """Raise PermanentError unless the cluster has a node of this name; `doing` completes "Unable to …"."""
    there = sorted(known)
    if name in there:
        return
    likely = difflib.get_close_matches(name, there, 1)
    hint = f"Did you mean '{likely[0]}'? " if likely else ""
    raise PermanentError(
        f"Unable to {doing}: the cluster has no node '{name}'.",
        cause=NO_SUCH_NODE,
        remedy=f"{hint}Its nodes are: {', '.join(there)}.",
    )
