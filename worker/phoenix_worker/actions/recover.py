"""Find out what an earlier run did whose worker died before it could tell: look, never repeat.

Likewise where Redis may have forgotten that there was an earlier run: `when` is `FORGOTTEN` then. A task of ours that
runs is followed whenever it began: the lane of its CTID is ours. Proxmox answers a second POST as the first, with its
own task, which fails at the lock of the first one, after 10 s at most, or does the same again. A removal shows only
when the disks are gone (`lock: destroyed`), so one that runs is looked for before each. A conversion sets no `lock:` at
all: what keeps a second one out is the lock on the file of its configuration, which the worker of the first one
inherits from its POST, and that is promised nowhere.

No time of a node is compared with any other clock: nodes may be wrong by hours. A task of ours is told by its running
under our lane, or by not having been listed before it was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.actions.makers import running_makers
from phoenix_worker.core.model.case import unmount
from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.core.model.marker import are_of_one_task
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.core.model.os_templates import file_name
from phoenix_worker.durable.run import FORGOTTEN, now

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.ports import CloneOrder, CreateOrder, Proxmox, ProxmoxTask

_CONVERSION = "vztemplate"
_MIGRATIONS = frozenset({"vzmigrate", "hamigrate"})
_DOWNLOADS = frozenset({"download", "ociregistrypull"})


def posted(upid: str | None) -> dict[str, Any]:
    """Journal what a POST answered; an empty UPID says that there is nothing to wait for."""
    return {"upid": upid or "", "at": now()}


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
    """Find a start, a shutdown or a snapshot that was asked for at `when`."""
    node = proxmox.observe_template(declaration.node, declaration.ctid).node
    found = _running_task(proxmox, node, declaration.ctid, kind, when)
    return None if found is None else found | {"node": node}


def find_growth(proxmox: Proxmox, node: str, ctid: int, when: float) -> dict[str, Any] | None:
    """Find the growth of a disk that was asked for at `when`. A task does not tell which: they grow one by one."""
    return _running_task(proxmox, node, ctid, "resize", when)


def find_download(proxmox: Proxmox, node: str, volume: str, when: float) -> dict[str, Any] | None:
    """Find the download of an OS template that was asked for at `when`. Its UPID has the name of the file."""
    if volume in proxmox.os_templates(node, volume.partition(":")[0]):
        return posted(None)
    return _running(proxmox, node, _DOWNLOADS, file_name(volume), when)


def find_removal(proxmox: Proxmox, node: str, ctid: int, when: float) -> dict[str, Any] | None:
    """Find a removal that was asked for at `when`."""
    seen = proxmox.observe_template(node, ctid)
    if seen.presence is Presence.ABSENT:
        return posted(None)
    return running_removal(proxmox, seen.node, ctid, when)


def running_removal(proxmox: Proxmox, node: str, ctid: int, when: float = FORGOTTEN) -> dict[str, Any] | None:
    """Find a removal of ours that is under way. Until its disks are gone, a container looks as if nothing was."""
    return _running_task(proxmox, node, ctid, "vzdestroy", when)


def find_freeing(proxmox: Proxmox, node: str, ctid: int, volume: str, when: float) -> dict[str, Any] | None:
    """Find the deletion of a CTID's volume that was asked for at `when`. Its UPID names the CTID and the storage.

    One that has ended is not found, and done again: what is gone by then is no trouble.
    """
    return _running(proxmox, node, {"imgdel"}, f"{ctid}@{volume.partition(':')[0]}", when)


def find_deletion(proxmox: Proxmox, node: str, ctid: int, snapshot: str, when: float) -> dict[str, Any] | None:
    """Find the deletion of a snapshot that was asked for at `when`. A task does not tell which it deletes."""
    node = proxmox.observe_template(node, ctid).node
    if snapshot not in proxmox.snapshots(node, ctid):
        return posted(None)
    return _running_task(proxmox, node, ctid, "vzdelsnapshot", when)


def runs_deletion(proxmox: Proxmox, node: str, ctid: int) -> bool:
    """Return whether a task of ours is deleting a snapshot of a CTID, by whatever job that may be forgotten."""
    return _running_task(proxmox, node, ctid, "vzdelsnapshot", FORGOTTEN) is not None


def migrations(proxmox: Proxmox, home: str, ctid: int) -> list[str]:
    """List the migrations of a CTID, whoever asked for them: HA does so in its own name."""
    return [task.upid for task in proxmox.recent_tasks(home, ctid) if task.kind in _MIGRATIONS]


def find_migration(
    proxmox: Proxmox, home: str, ctid: int, target: str, *, earlier: Collection[str], when: float
) -> dict[str, Any] | None:
    """Find a migration that was asked for at `when`, whether it still runs or has ended in whatever way.

    It is none of the `earlier` ones: one that ended a second before, by another request, says nothing of this one, and
    no clock tells the two apart. Of one that Redis may have forgotten no UPID tells where it goes: `unsure`. HA is
    asked again: to be told the same twice changes nothing.
    """
    for task in _own_migrations(proxmox, home, ctid):
        if task.upid not in earlier:
            return _ordered(task, when) | {"from": home}
        if when == FORGOTTEN and task.running and task.kind == "vzmigrate":
            return _ordered(task, when) | {"from": home, "unsure": True}
    there = proxmox.observe_template(home, ctid).node == target
    return posted(None) | {"from": home} if there else None


def conversions(proxmox: Proxmox, node: str, ctid: int) -> list[str]:
    """List the conversions of a CTID to a template, whoever asked for them."""
    return [task.upid for task in proxmox.recent_tasks(node, ctid) if task.kind == _CONVERSION]


def find_conversion(
    proxmox: Proxmox, declaration: Declaration, when: float, *, earlier: Collection[str]
) -> dict[str, Any] | None:
    """Find a conversion that was asked for at `when`, and is none of the `earlier` ones.

    One that may be forgotten is looked for before each anyway.
    """
    if when == FORGOTTEN:
        return None
    node = proxmox.observe_template(declaration.node, declaration.ctid).node
    begun = conversion(proxmox.recent_tasks(node, declaration.ctid), earlier)
    return None if begun is None else {"at": when, "node": node}


def running_conversion(proxmox: Proxmox, node: str, ctid: int) -> dict[str, Any] | None:
    """Find a conversion that is under way, whoever asked for it: a second one would rename the same disks beside it."""
    tasks = (task for task in proxmox.recent_tasks(node, ctid) if task.kind == _CONVERSION and task.running)
    return next(({"at": now(), "node": node, "upid": task.upid} for task in tasks), None)


def conversion(tasks: Iterable[ProxmoxTask], earlier: Collection[str]) -> ProxmoxTask | None:
    """Return the last conversion, of these tasks from the last to the first, that is none of the `earlier` ones."""
    return next((task for task in tasks if task.kind == _CONVERSION and task.upid not in earlier), None)


def _made(
    proxmox: Proxmox, node: str, ctid: int, creation_id: str, *, tasks_of: int, kind: str, when: float
) -> dict[str, Any] | None:
    seen = proxmox.observe_template(node, ctid)
    marker = seen.marker
    # Redis may have lost that this task was replaced, by what it needed first: what is there is of it all the same.
    ours = marker is not None and marker.ctid == ctid and are_of_one_task(marker.creation, creation_id)
    if ours and seen.lock != "create":
        return {"upid": "", "at": when or now()}
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


def _own_migrations(proxmox: Proxmox, home: str, ctid: int) -> list[ProxmoxTask]:
    me = proxmox.whoami()
    return [task for task in proxmox.recent_tasks(home, ctid) if task.kind in _MIGRATIONS and task.user == me]


def _running_task(proxmox: Proxmox, node: str, ctid: int, kind: str, when: float) -> dict[str, Any] | None:
    me = proxmox.whoami()
    for task in proxmox.recent_tasks(node, ctid):
        if task.kind == kind and task.user == me and task.running:
            return _ordered(task, when)
    return None


def _running(proxmox: Proxmox, node: str, kinds: Collection[str], of: str, when: float) -> dict[str, Any] | None:
    me = proxmox.whoami()
    own = (task for task in proxmox.running_tasks(node) if task.user == me and task.guest == of)
    return next((_ordered(task, when) for task in own if task.kind in kinds), None)


def _ordered(task: ProxmoxTask, when: float) -> dict[str, Any]:
    return {"upid": task.upid, "at": when or now()}
