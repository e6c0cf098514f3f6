"""The copies of templates that stand in the cluster, by their markers, and those whose node does not answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.core.planned.copies import free_numbers
from phoenix_worker.proxmox.error_table import UNREACHABLE
from phoenix_worker.proxmox.silence import SILENT_REMEDY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import Proxmox


class Unseen(NamedTuple):
    """What stands at a CTID of copies, and cannot be looked at."""

    ctid: int
    node: str
    name: str
    """As the cluster lists it; empty where it does not."""
    why: str
    offline: bool
    """Whether the cluster says so of its node; of one that only does not answer just now, nothing is known."""

    def may_be_of(self, template: Declaration) -> bool:
        """Return whether it may be a copy of this template."""
        return self.name in {"", template.name}

    def left(self, template: Declaration) -> str:
        """Say that it stays as it is while its template is rebuilt."""
        return (
            f"CT {self.ctid} on {self.node} was left as it is: {self.why}. As a copy of template {template.ctid} "
            f"it is outdated: send `phoenix-lxc rebuild {template.ctid}` again when the node is back."
        )


class Copies(NamedTuple):
    """As of one moment."""

    seen: tuple[Observation, ...] = ()
    unseen: tuple[Unseen, ...] = ()

    def of(self, template: Declaration) -> Copies:
        """Return those of one template, and what may be one of its. A container has none."""
        if not template.is_template:
            return Copies()
        own = (one for one in self.seen if is_copy(one, template.ctid))
        return Copies(tuple(own), tuple(one for one in self.unseen if one.may_be_of(template)))


def is_copy(seen: Observation, template: int | None) -> bool:
    """Return whether what stands there is ours, as a copy of this template."""
    marker = seen.marker
    return marker is not None and seen.is_ours and marker.copy_of == template


def on_its_way(seen: Observation) -> str:
    """Return the node that a copy is still to be migrated to, so that it serves none yet; nothing of any other."""
    marker = seen.marker
    if marker is None or not seen.is_ours or seen.is_template or marker.bound_for == seen.node:
        return ""
    return marker.bound_for


def arrived(seen: Observation) -> Observation:
    """Return a copy as it is once it stands on its node, and anything else as it is seen."""
    there = on_its_way(seen)
    return replace(seen, node=there) if there else seen


def all_copies(task: PhoenixTask) -> Copies:
    """Look at the copies of all templates: one call, and one for each CTID of copies that is taken.

    A node that the cluster calls offline is not asked; one that does not answer is asked once, and nobody waits for it.
    """
    seen, unseen = everything_there(task.proxmox, task.catalog.current().copy_ctids)
    ours = (one for one in seen if one.is_ours and one.marker is not None and one.marker.copy_of is not None)
    return Copies(tuple(ours), unseen)


def copies_of(task: PhoenixTask, template: Declaration) -> Copies:
    """Look at the copies of one template, in as many calls. A container has none."""
    return all_copies(task).of(template) if template.is_template else Copies()


def not_looked_at(template: Declaration, unseen: Iterable[Unseen]) -> Iterator[str]:
    """Tell what may be a copy of a template and cannot be looked at."""
    return (
        f"CT {one.ctid} on {one.node}, maybe a copy of template {template.ctid}, cannot be looked at: {one.why}."
        for one in unseen
        if one.may_be_of(template)
    )


def free_ctids(
    proxmox: Proxmox, template: int, node: str, ctids: range, places: Collection[int], count: int
) -> tuple[int, ...]:
    """Choose CTIDs for copies that are to be made, where `places` are taken as the cluster lists them.

    What the token may not see is in no list: Proxmox is asked for each that is chosen, one call, and one that is taken
    is passed over. Raises PermanentError where there are none left, and TransientError where one was made just now: it
    may be the very copy.
    """
    unseen: set[int] = set()
    while True:
        chosen = free_numbers(template, node, ctids, {*places, *unseen}, count, unseen)
        taken = {ctid for ctid in chosen if not proxmox.is_free(ctid)}
        if not taken:
            return chosen
        if made := sorted(taken & proxmox.standing(ctids).keys()):
            raise TransientError(f"CT {made[0]} has just been made, maybe as a copy.", cause="being-created")
        unseen |= taken


def refuse_unseen(template: Declaration, unseen: Iterable[Unseen], doing: str) -> None:
    """Raise TransientError if something cannot be looked at that may be a copy of a template."""
    for one in unseen:
        raise TransientError(
            f"Unable to {doing} CT {template.ctid}: CT {one.ctid} may be a copy of it, and {one.why}.",
            cause=UNREACHABLE,
            remedy=SILENT_REMEDY,
        )


def everything_there(proxmox: Proxmox, ctids: range | None) -> Copies:
    """Look at whatever has a CTID of copies, and is no VM; without such CTIDs nothing is asked."""
    if ctids is None:
        return Copies()
    view = proxmox.cluster(fresh=True)
    silent = {name: (f"{name} is offline", True) for name, node in view.nodes.items() if not node.online}
    seen: list[Observation] = []
    unseen: list[Unseen] = []
    for guest in (view.guests[ctid] for ctid in sorted(view.guests) if ctid in ctids):
        if guest.is_vm:
            continue
        if guest.node not in silent:
            try:
                there = proxmox.glance(guest.node, guest.ctid)
            except TransientError as error:
                if error.cause != UNREACHABLE:
                    raise
                silent[guest.node] = (f"{guest.node} does not answer", False)
            else:
                there = there or proxmox.observe_template(guest.node, guest.ctid)  # gone since it was listed, or moved
                seen += [there] if there.presence is Presence.HERE else []
                continue
        why, offline = silent[guest.node]
        unseen.append(Unseen(guest.ctid, guest.node, guest.name, why, offline))
    return Copies(tuple(seen), tuple(unseen))


def offline(task: PhoenixTask, copy: Declaration) -> tuple[Unseen, ...]:
    """Return a copy as one that cannot be looked at if the cluster calls its node offline; nothing otherwise."""
    node = task.proxmox.cluster(fresh=True).nodes.get(copy.node)
    if node is None or node.online:
        return ()
    return (Unseen(copy.ctid, copy.node, copy.name, f"{copy.node} is offline", offline=True),)
