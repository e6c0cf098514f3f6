"""What cannot be migrated, judged before Proxmox is asked: its task would fail, at times with the container stopped.

As pve-container's `PVE/LXC/Migrate.pm` has it; a linked clone that Proxmox would make a full one is refused too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phoenix_worker.core.allowed.linked import storages_of
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.ha import given_up
from phoenix_worker.core.model.nodes import refuse_unknown_node

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.cluster import NodeState
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import Storage

_MOUNT = re.compile(r"rootfs|mp\d+")
_WITH_SNAPSHOTS = frozenset({"btrfs", "zfspool"})
"""Types of storage that are not shared and whose volumes are migrated with their snapshots."""
_OF_A_BASE = re.compile(r"(?:^|/)base(?:vol)?-(\d+)-[^/]*/")
"""A volume's name that says of which template's volume it is made: `basevol-900-disk-0/subvol-103-disk-0`."""


def refuse_target(target: str, nodes: Mapping[str, NodeState], doing: str) -> None:
    """Raise PermanentError for a node that is not in the cluster, or not online; `doing` completes "Unable to …"."""
    refuse_unknown_node(target, nodes, doing)
    online = [name for name, node in nodes.items() if node.online]
    if target not in online:
        raise PermanentError(
            f"Unable to {doing}: node {target} is not online.",
            cause="node-offline",
            remedy=f"Start it, or choose another. Online are: {', '.join(online)}.",
        )


def refuse_unmovable(
    declaration: Declaration, seen: Observation, storages: Mapping[str, Storage], target: str, *, restart: bool
) -> None:
    """Raise PermanentError for what Proxmox would not migrate, or not as what it is. It is ours, and stands here."""
    doing = f"migrate CT {seen.ctid} from {seen.node} to {target}"
    if seen.ha_failed:
        raise given_up(seen.ctid, doing)
    bound = [key for key, value in _mounts(seen) if value.startswith("/") and "shared=1" not in value.split(",")]
    if bound:
        raise PermanentError(
            f"Unable to {doing}: {', '.join(bound)} is a bind mount, which stays on the node that it is on.",
            cause="bind-mount",
            remedy='If the directory is on every node, declare the mount `"shared": true` and ensure; else remove it.',
        )
    for storage in storages_of(seen):
        if storage in storages and not storages[storage].is_on(target):
            nodes = ",".join(sorted({*storages[storage].nodes, target}))
            raise PermanentError(
                f"Unable to {doing}: the storage {storage} is not on {target}.",
                cause="storage-offline",
                remedy=f"If it is there: `pvesm set {storage} --nodes {nodes}`. Or choose a node that has it.",
            )
    template, storage = next(_linked(declaration, seen, storages), ("", ""))
    if template:
        raise PermanentError(
            f"Unable to {doing}: it is a linked clone. Its disk on {storage}, which the nodes do not share, is made of "
            f"that of template {template}, and stays where that is.",
            cause="linked-clone-local",
            remedy=f'Declare `"clone": "full"`, and make it again: `phoenix-lxc destroy {seen.ctid}`, then an ensure.',
        )
    if seen.running and not restart:
        raise PermanentError(
            f"Unable to {doing}: it is running, and Proxmox migrates no running container without stopping it.",
            cause="is-running",
            remedy="Send it with `restart` (`--restart`): it is stopped, migrated and started again. Or stop it first.",
        )


def leaving_snapshots(seen: Observation, storages: Mapping[str, Storage]) -> str:
    """Name a storage of a container from which Proxmox migrates no snapshots; nothing where there is none."""
    known = (storages[name] for name in storages_of(seen) if name in storages)
    return next((one.name for one in known if not one.shared and one.kind not in _WITH_SNAPSHOTS), "")


def refuse_snapshots(seen: Observation, storage: str, names: Sequence[str], target: str) -> None:
    """Raise PermanentError for snapshots that Proxmox does not migrate: it says so after it has stopped a container."""
    if storage and names:
        commands = ", ".join(f"`pct delsnapshot {seen.ctid} {name}`" for name in names)
        raise PermanentError(
            f"Unable to migrate CT {seen.ctid} from {seen.node} to {target}: it has snapshots ({', '.join(names)}), "
            f"which Proxmox does not migrate from {storage}.",
            cause="has-snapshots",
            remedy=f"If nobody needs them, run on {seen.node}: {commands}; then send the request again.",
        )


def _mounts(seen: Observation) -> Iterator[tuple[str, str]]:
    return ((key, value) for key, value in sorted(seen.config.items()) if _MOUNT.fullmatch(key))


def _linked(declaration: Declaration, seen: Observation, storages: Mapping[str, Storage]) -> Iterator[tuple[str, str]]:
    """Find the template and the storage of each disk that is a linked clone's and not shared.

    LVM-thin and btrfs do not tell in the name: there it counts what is declared.
    """
    for key, value in _mounts(seen):
        storage, _, name = value.split(",")[0].partition(":")
        if value.startswith("/") or (storage in storages and storages[storage].shared):
            continue
        base = _OF_A_BASE.search(name)
        if base is not None:
            yield base[1], storage
        elif key == "rootfs" and declaration.clone_from is not None and not declaration.full_clone:
            yield str(declaration.clone_from), storage
