"""A container as an HA resource of Proxmox."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from phoenix_worker.core.model.errors import PermanentError

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


def given_up(ctid: int, doing: str) -> PermanentError:
    """Return the error of an HA resource in the state `error`, of which HA takes no order but to disable it.

    As pve-ha-manager has it (`PVE/HA/Resources.pm`, the state `disabled`).
    """
    return PermanentError(
        f"Unable to {doing}: Proxmox's HA has given CT {ctid} up (state error), and does nothing with it until it is "
        "disabled there.",
        cause="ha-error",
        remedy=f"Mend what keeps it from starting, then `ha-manager set ct:{ctid} --state disabled` on a node, and "
        "send the request again.",
    )


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
