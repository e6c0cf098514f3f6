"""Look for all that forbids to destroy or to convert a container, before it is stopped for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phoenix_worker.actions import recover
from phoenix_worker.core.allowed.forbidden import (
    refuse_forbidden,
    refuse_replicated,
    refuse_snapshots,
    refuse_unconvertible,
)
from phoenix_worker.core.allowed.ownership import Purpose
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.proxmox.error_table import PERMISSION

if TYPE_CHECKING:
    from collections.abc import Collection

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import Proxmox

_DELETING = "snapshot-delete"
"""The lock of a container one of whose snapshots is being deleted."""


def refuse_forbidden_removal(proxmox: Proxmox, declaration: Declaration, seen: Observation, purpose: Purpose) -> None:
    """Raise PermanentError for what Proxmox would not delete, and TransientError for what somebody has locked."""
    if seen.presence is not Presence.HERE:
        return
    refuse_forbidden(declaration, as_in_ha(proxmox, seen), purpose)
    refuse_replicated(seen, proxmox.replication_jobs(seen.ctid), purpose)


def refuse_forbidden_conversion(
    task: PhoenixTask, declaration: Declaration, seen: Observation, dropping: Collection[str]
) -> None:
    """Raise PermanentError for what is not to become a template, and TransientError for what somebody has locked.

    Snapshots that are dropped first do not count, nor the lock of one that we are deleting: whoever drops them waits
    for its end. Proxmox converts an HA resource, and HA then tries to start the template.
    """
    proxmox = task.proxmox
    if dropping and seen.lock == _DELETING and recover.runs_deletion(proxmox, seen.node, seen.ctid):
        seen = replace(seen, config={key: value for key, value in seen.config.items() if key != "lock"})
    refuse_forbidden(declaration, as_in_ha(proxmox, seen), Purpose.SEAL)
    refuse_unconvertible(seen, task.offering.on(seen.node).storages)
    snapshots = proxmox.snapshots(seen.node, seen.ctid)
    refuse_snapshots(seen, [name for name in snapshots if name not in dropping])


def as_in_ha(proxmox: Proxmox, seen: Observation) -> Observation:
    """Look whether it is an HA resource in the state `ignored`, or while HA is disarmed, in one call.

    `…/status/current` calls these unmanaged, and Proxmox refuses to delete them all the same (pve-ha-manager,
    `service_is_configured`). `/cluster/resources` shows their state; and that of what was a resource until HA's manager
    notices (every 10 s, and never while there is no manager), so that one call more tells these apart.
    """
    if seen.ha_managed or seen.presence is not Presence.HERE:
        return seen
    there = proxmox.cluster(fresh=True).guests.get(seen.ctid)
    return replace(seen, ha_managed=there is not None and there.in_ha and _is_resource(proxmox, seen.ctid))


def _is_resource(proxmox: Proxmox, ctid: int) -> bool:
    """Ask for the resource itself. Where the token may not, what HA's manager shows counts."""
    try:
        return proxmox.ha_resource(ctid).managed
    except PermanentError as error:
        if error.cause != PERMISSION:
            raise
        return True
