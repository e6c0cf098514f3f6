"""What forbids that a container is destroyed, or converted to a template, seen before it is stopped.

Proxmox looks at it when it is asked to delete or to convert: a running one would be stopped for nothing by then.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phoenix_worker.core.allowed.linked import storages_of
from phoenix_worker.core.allowed.ownership import Purpose
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.observation import Presence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import Storage

NO_TEMPLATES = "template-unavailable"
"""The cause where a storage can have no templates, as the error table of the API names it too."""
WITHOUT_TEMPLATES = frozenset({"lvm"})
"""Storage types (`volume_has_feature` of pve-storage's plugins). Of one that is not known here, Proxmox is asked."""
_MOUNT = re.compile(r"rootfs|mp\d+")


def refuse_forbidden(declaration: Declaration, seen: Observation, purpose: Purpose) -> None:
    """Raise PermanentError for what is protected or under HA, and TransientError for what somebody has locked.

    What the catalog protects may become a template, as it would be built.
    """
    if seen.presence is not Presence.HERE:
        return
    subject, ctid = f"Unable to {_doing(purpose).format(f'CT {seen.ctid} on {seen.node}')}", seen.ctid
    built_so = declaration.protected and purpose is Purpose.SEAL
    if declaration.protected and not built_so:
        raise PermanentError(
            f"{subject}: the catalog declares its protection.",
            cause="protected",
            remedy=f'Declare "protection": false for {ctid}, then: `phoenix-lxc ensure {ctid}`.',
        )
    if seen.config.get("protection") == "1" and not built_so:
        raise PermanentError(
            f"{subject}: it is protected.",
            cause="protected",
            remedy=f"Switch its protection off on {seen.node}: `pct set {ctid} --protection 0`.",
        )
    if seen.ha_managed:
        raise PermanentError(
            f"{subject}: it is an HA resource.",
            cause="ha-managed",
            remedy=f'Declare "ha": false for {ctid}, then: `phoenix-lxc ensure {ctid}`.'
            if declaration.ha is not None
            else f"Take it out of the HA resources first: `ha-manager remove ct:{ctid}`.",
        )
    if seen.lock:
        raise TransientError(
            f"{subject}: it is locked ({seen.lock}).",
            cause="locked",
            remedy=f"If no task is running on it, run on {seen.node}: `pct unlock {ctid}`.",
        )


def _doing(purpose: Purpose) -> str:
    return "convert {} to a template" if purpose is Purpose.SEAL else f"{purpose} {{}}"


def refuse_replicated(seen: Observation, jobs: Iterable[str], purpose: Purpose) -> None:
    """Raise PermanentError for what is replicated to another node: Proxmox deletes it after its jobs only."""
    names = list(jobs)
    if names:
        commands = ", ".join(f"`pvesr delete {name}`" for name in names)
        raise PermanentError(
            f"Unable to {purpose} CT {seen.ctid} on {seen.node}: it has replication jobs: {', '.join(names)}.",
            cause="replicated",
            remedy=f"Remove them on {seen.node}: {commands}. Proxmox takes a minute or two for that; then send the "
            "request again.",
        )


def refuse_unconvertible(seen: Observation, storages: Mapping[str, Storage] | None) -> None:
    """Raise PermanentError for a mount that no template can have: Proxmox finds it in a task, once all is done for it.

    What is not known of the storages says nothing against them.
    """
    subject = f"Unable to convert CT {seen.ctid} on {seen.node} to a template"
    # Of what runs, Proxmox moves no volume and takes no mount away until it is stopped.
    stop = f"`pct shutdown {seen.ctid}`, then " if seen.running else ""
    bound = [key for key, value in sorted(seen.config.items()) if _MOUNT.fullmatch(key) and value.startswith("/")]
    if bound:
        raise PermanentError(
            f"{subject}: it has directories or devices of the node ({', '.join(bound)}), and a template has volumes "
            "only.",
            cause="bind-mount",
            remedy=f"Run on {seen.node}: {stop}`pct set {seen.ctid} --delete {','.join(bound)}`. Clones that need them "
            "declare them as `mount_points`.",
        )
    for name in storages_of(seen):
        if (problem := no_templates(name, storages or {})) is not None:
            raise PermanentError(
                f"{subject}: {problem}.",
                cause=NO_TEMPLATES,
                remedy=f"Move what lies there to another storage. On {seen.node}: {stop}"
                f"{', '.join(f'`pct move-volume {seen.ctid} {key} STORAGE`' for key in _mounts_on(seen, name))}.",
            )


def _mounts_on(seen: Observation, storage: str) -> list[str]:
    """Name the keys of the disks that lie on a storage."""
    return [
        key for key, value in sorted(seen.config.items()) if _MOUNT.fullmatch(key) and value.startswith(f"{storage}:")
    ]


def no_templates(name: str, storages: Mapping[str, Storage]) -> str | None:
    """Say why a storage can have no templates; None if it can, or is not known."""
    found = storages.get(name)
    if found is None or found.kind not in WITHOUT_TEMPLATES:
        return None
    return f"storage {name} is of the type {found.kind}, which has no templates"


def refuse_snapshots(seen: Observation, snapshots: Iterable[str]) -> None:
    """Raise PermanentError for snapshots of what is to become a template: Proxmox converts nothing that has any."""
    names = list(snapshots)
    if not names:
        return
    ctid, node = seen.ctid, seen.node
    commands = ", ".join(f"`pct delsnapshot {ctid} {name}`" for name in names)
    raise PermanentError(
        f"Unable to convert CT {ctid} on {node} to a template: it has snapshots: {', '.join(names)}.",
        cause="has-snapshots",
        remedy=f"If nobody needs them, run on {node}: {commands}; then send the request again.",
    )
