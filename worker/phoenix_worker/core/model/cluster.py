"""One observation of a cluster: its nodes, their storages, and which guest is where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node. What the token may not see is None."""

    name: str
    online: bool = True
    maintenance: bool = False
    """Whether HA keeps it free, as an administrator wants it."""
    memory: int | None = None
    """All that it has, in bytes."""
    memory_used: int = 0
    cpus: int | None = None
    cpu_load: float | None = None
    """Share of its CPUs that is in use."""
    storages: Mapping[str, int | None] = field(default_factory=dict)
    """Bytes that are free on each storage that is available there; None where that is not known."""

    @property
    def memory_free(self) -> int | None:
        """Bytes that nobody uses."""
        return None if self.memory is None else max(0, self.memory - self.memory_used)


class GuestPlace(NamedTuple):
    """Where a container or VM is. Thousands of them are read at once, so it is the cheapest thing that has names."""

    ctid: int
    node: str
    is_vm: bool = False
    name: str = ""
    memory: int = 0
    """Bytes that it may use; 0 while Proxmox has no figures of it yet."""
    memory_used: int = 0
    is_template: bool = False
    pool: str = ""
    in_ha: bool = False
    """Whether HA shows a state of it: it is a resource, in whatever state, or was one until a moment ago."""


@dataclass(frozen=True, slots=True)
class ClusterView:
    """All of it, as of one moment."""

    nodes: Mapping[str, NodeState] = field(default_factory=dict)
    guests: Mapping[int, GuestPlace] = field(default_factory=dict)
    promised: Mapping[str, int] = field(default_factory=dict)
    """Bytes of memory that the guests of each node may use together, as far as there are figures of them."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many guests each node has."""
    without_figures: tuple[GuestPlace, ...] = ()


def view_of(nodes: Mapping[str, NodeState], guests: Mapping[int, GuestPlace]) -> ClusterView:
    """Add up what the guests of each node may use."""
    promised, counts = dict.fromkeys(nodes, 0), dict.fromkeys(nodes, 0)
    for guest in guests.values():
        promised[guest.node] = promised.get(guest.node, 0) + guest.memory
        counts[guest.node] = counts.get(guest.node, 0) + 1
    return ClusterView(nodes, guests, promised, counts, tuple(one for one in guests.values() if not one.memory))
