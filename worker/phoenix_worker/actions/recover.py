"""Find out what an earlier run did whose worker died before it could tell: look, never repeat."""

from __future__ import annotations

import time
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from phoenix_worker.actions.makers import running_makers
from phoenix_worker.core.model.case import unmount
from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.core.model.marker import are_of_one_task
from phoenix_worker.core.model.observation import Presence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.ports import CloneOrder, CreateOrder, Proxmox, ProxmoxTask

_CLOCK_SKEW = 5.0
"""Seconds that the node's clock and that of Redis may differ."""
_MIGRATIONS = frozenset({"vzmigrate", "hamigrate"})


def posted(upid: str | None) -> dict[str, Any]:
    """Journal what a POST answered; an empty UPID says that there is nothing to wait for."""
    return {"upid": upid or "", "at": time.time()}


def upid_of(entry: dict[str, Any]) -> str | None:
    """Return the UPID that a journal entry holds."""
    upid: str = entry["upid"]
    return upid or None


def started_by_itself(entry: dict[str, Any]) -> bool:
    """Return whether the task of a journal entry has started the container, and not only asked HA to do so."""
    return ":vzstart:" in entry["upid"]


def asked_ha(entry: dict[str, Any]) -> bool:
    """Return whether the task of a journal entry has only asked HA to migrate."""
    return ":hamigrate:" in entry["upid"]


def find_clone(proxmox: Proxmox, order: CloneOrder, creation: str, when: float) -> dict[str, Any] | None:
    """Find a clone that was asked for at `when`. A clone carries our marker from its first moment."""
    made = _made(proxmox, order.node, order.ctid, creation, tasks_of=order.source, kind="vzclone", when=when)
    if made is not None or order.made_on == order.node:
        return made
    return _made(proxmox, order.made_on, order.ctid, creation, tasks_of=order.source, kind="vzclone", when=when)


def find_creation(proxmox: Proxmox, order: CreateOrder, creation_id: str, when: float) -> dict[str, Any] | None:
    """Find a creation that was asked for at `when`. Until it ends it has no marker, only a task of our own."""
    return _made(proxmox, order.node, order.ctid, creation_id, tasks_of=order.ctid, kind="vzcreate", when=when)


def find_power_task(proxmox: Proxmox, declaration: Declaration, kind: str, when: float) -> dict[str, Any] | None:
    """Find a start or a shutdown that was asked for at `when`."""
    node = proxmox.observe_template(declaration.node, declaration.ctid).node
    found = _running_task(proxmox, node, declaration.ctid, kind, when)
    return None if found is None else found | {"node": node}


def find_removal(proxmox: Proxmox, node: str, ctid: int, when: float) -> dict[str, Any] | None:
    """Find a removal that was asked for at `when`."""
    seen = proxmox.observe_template(node, ctid)
    if seen.presence is Presence.ABSENT:
        return posted(None)
    return _running_task(proxmox, seen.node, ctid, "vzdestroy", when)


def find_deletion(proxmox: Proxmox, node: str, ctid: int, snapshot: str, when: float) -> dict[str, Any] | None:
    """Find the deletion of a snapshot that was asked for at `when`. A task does not tell which it deletes."""
    node = proxmox.observe_template(node, ctid).node
    if snapshot not in proxmox.snapshots(node, ctid):
        return posted(None)
    return _running_task(proxmox, node, ctid, "vzdelsnapshot", when)


def own_migrations(proxmox: Proxmox, home: str, ctid: int) -> list[str]:
    """List the migrations of a CTID that were asked for with our token, newest first."""
    me = proxmox.whoami()
    return [task.upid for task in proxmox.recent_tasks(home, ctid) if task.kind in _MIGRATIONS and task.user == me]


def find_migration(
    proxmox: Proxmox, home: str, ctid: int, target: str, *, earlier: Collection[str], when: float
) -> dict[str, Any] | None:
    """Find a migration that was asked for at `when`, whether it still runs or has ended in whatever way.

    It is none of the `earlier` ones: one that ended a second before, by another request, says nothing of this one, and
    no clock tells the two apart.
    """
    for upid in own_migrations(proxmox, home, ctid):
        if upid not in earlier:
            return {"upid": upid, "at": when, "from": home}
    there = proxmox.observe_template(home, ctid).node == target
    return posted(None) | {"from": home} if there else None


def find_conversion(proxmox: Proxmox, declaration: Declaration, when: float) -> dict[str, Any] | None:
    """Find a conversion that was asked for at `when`."""
    node = proxmox.observe_template(declaration.node, declaration.ctid).node
    begun = conversion(proxmox.recent_tasks(node, declaration.ctid), when)
    return None if begun is None else {"at": when, "node": node}


def conversion(tasks: Iterable[ProxmoxTask], since: float) -> ProxmoxTask | None:
    """Return the last conversion, of these tasks from the last to the first, if it was asked for `since` then.

    That of a template which was destroyed afterwards is none: a rebuild converts its CTID again soon after.
    """
    own = takewhile(lambda task: task.kind != "vzdestroy", tasks)
    return next((task for task in own if task.kind == "vztemplate" and task.started >= since - _CLOCK_SKEW), None)


def _made(
    proxmox: Proxmox, node: str, ctid: int, creation_id: str, *, tasks_of: int, kind: str, when: float
) -> dict[str, Any] | None:
    seen = proxmox.observe_template(node, ctid)
    marker = seen.marker
    # Redis may have lost that this task was replaced, by what it needed first: what is there is of it all the same.
    ours = marker is not None and marker.ctid == ctid and are_of_one_task(marker.creation, creation_id)
    if ours and seen.lock != "create":
        return {"upid": "", "at": when}
    if seen.lock != "create" or (marker is not None and not ours):
        return None
    found = _running_task(proxmox, node, tasks_of, kind, when)
    between = f"{unmount(ctid)}, " if tasks_of == ctid else ""
    source = None if tasks_of == ctid else tasks_of
    if found is None and ours and running_makers(proxmox, ctid, (node,), source):
        raise TransientError(f"CT {ctid} on {node} is being created by another task.", cause="being-created")
    if found is None and ours:
        raise TransientError(
            f"CT {ctid} on {node} is half-made, and no running task is creating it.",
            cause="half-made",
            remedy=f"Run on {node}: `pct unlock {ctid}`, {between}then "
            f"`pct destroy {ctid} --destroy-unreferenced-disks 1`; then send the request again.",
        )
    return found


def _running_task(proxmox: Proxmox, node: str, ctid: int, kind: str, when: float) -> dict[str, Any] | None:
    me = proxmox.whoami()
    for task in proxmox.recent_tasks(node, ctid):
        if task.kind == kind and task.user == me and task.running and task.started >= when - _CLOCK_SKEW:
            return {"upid": task.upid, "at": when}
    return None
