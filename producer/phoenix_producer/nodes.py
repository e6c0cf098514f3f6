"""The nodes of a cluster: the answer to `phoenix.nodes`, and the requests that are about one node."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StrictBool

from phoenix_producer.contract import LONGEST_REQUESTER, Answer, Message
from phoenix_producer.ctids import Ctid  # noqa: TC001 - pydantic reads it at run time

NodeName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$", max_length=63, description="Name of a Proxmox node"),
]


class NodeState(StrEnum):
    """Whether a node works, and takes new containers."""

    ONLINE = "online"
    OFFLINE = "offline"
    MAINTENANCE = "maintenance"
    """Proxmox's HA has it in maintenance: it takes no new containers."""
    DRAINED = "drained"
    """An operator has drained it: it takes no new containers."""


class Node(Answer):
    """One node: its state, its room, and what is under way on it."""

    name: str
    state: NodeState
    drained_by: str = ""
    """Who drained it; it is kept while the node is offline or in maintenance, too."""
    drained_at: float | None = None
    """Since when it is drained, in seconds since the epoch."""
    cpus: int | None = None
    """None, as the next three, where Proxmox does not show it: the node is offline, or the token lacks Sys.Audit."""
    cpu_used: float | None = None
    """How much of all its CPUs is in use, from 0 to 1."""
    memory: int | None = None
    """Bytes."""
    memory_free: int | None = None
    reserved: tuple[int, ...] = ()
    """CTIDs that are placed on it, and that Proxmox's figures do not show yet."""
    reserved_memory: int = 0
    """Bytes, for those."""
    reserved_disk: int = 0
    in_flight: int = 0
    """Clones and creations that are being made on it."""
    places: int = 0
    """How many of them may be at once (PHOENIX_NODE_CAPACITY)."""
    waiting: int = 0
    """How many wait for a place."""
    templates: tuple[int, ...] = ()
    """CTIDs of the templates that stand there."""


class DrainRequest(Message):
    """Ask that a node take no new containers. What stands there stays, and is worked on as before."""

    node: NodeName
    requester: str | None = Field(default=None, max_length=LONGEST_REQUESTER)
    """Who asks, for the people who read the job list and the list of nodes."""


class UndrainRequest(DrainRequest):
    """Ask that a drained node take new containers again."""


class MigrateRequest(Message):
    """Ask that a container or template of ours stand on another node. The catalog is not changed."""

    ctid: Ctid
    to: NodeName
    restart: StrictBool = False
    """If it is running, stop it, migrate it and start it again; without this, that is refused."""
    dry_run: StrictBool = False
    """Change nothing; the result lists what would be done."""
    requester: str | None = Field(default=None, max_length=LONGEST_REQUESTER)
    """Who asks, for the people who read the job list."""


class Drained(Answer):
    """Whether a node is drained now."""

    node: str
    drained: bool
    changed: bool
    """Whether this request has changed it."""
    by: str = ""
    """Who drained it."""
    at: float | None = None
    """Since when, in seconds since the epoch."""
