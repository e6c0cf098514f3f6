"""A container as an HA resource of Proxmox."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

DEFAULT_TRIES = 1
"""Of `max_restart` and `max_relocate`, where Proxmox shows none (pve-ha-manager, `PVE/HA/Resources.pm`)."""


@dataclass(frozen=True, slots=True)
class HaState:
    """What Proxmox shows of it."""

    managed: bool = False
    """Whether it is a resource."""
    group: str = ""
    max_restart: int = DEFAULT_TRIES
    max_relocate: int = DEFAULT_TRIES


class HaAct(StrEnum):
    """A kind of request."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class HaWrite:
    """One request, with the properties that it sets."""

    act: HaAct
    properties: dict[str, str] = field(default_factory=dict)
