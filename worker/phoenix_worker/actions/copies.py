"""What a container is cloned from on its node: its template, or a copy of that. Whoever clones owns its lane."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Never

from phoenix_worker.actions.claimed_ctids import claim_ctids, claimed
from phoenix_worker.actions.look import TEMPLATE, template_there
from phoenix_worker.actions.makers import running_makers
from phoenix_worker.actions.moved_copies import lacks_os_template
from phoenix_worker.actions.standing_copies import arrived, everything_there, free_ctids, is_copy, on_its_way
from phoenix_worker.base import lane
from phoenix_worker.core.model.case import unmount
from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.core.model.home import at_home
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.core.planned.copies import runs_with_a_fixed_address, serving
from phoenix_worker.core.planned.feasibility import Origin, is_reachable
from phoenix_worker.core.planned.moved_copies import takes_long

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation

SOURCE = "source"
"""The journal's name of what a container is cloned from: its CTID and its node."""
_SOURCES = "sources"
"""And of what it may be cloned from."""
_WAITING = 4
"""How many clones more wait for one lane than for another before a copy is made as one more."""
_LOOK = "look-for-the-template"
_PASSED_OVER = "passed-over"
"""The journal's name of what is to be told of those CTIDs of copies that were passed over."""
_LOOKS = 2
"""Proxmox sets the lock of what it creates a moment before it lists the task."""


@dataclass(frozen=True, slots=True)
class _Source:
    """One lane: a template, or a copy of it."""

    declaration: Declaration
    ready: bool = True
    """Whether clones take it as soon as its line is the shortest."""

    @property
    def named(self) -> tuple[int, str, int]:
        """Tell it for the journal, with how much its line counts besides."""
        return self.declaration.ctid, self.declaration.node, 0 if self.ready else _WAITING


class _Found(NamedTuple):
    """What a container may be cloned from: at least one, the first as soon as its line is the shortest."""

    lanes: list[_Source]
    told: tuple[str, ...] = ()


def hold_source(
    task: PhoenixTask, clone: Declaration, known: Sequence[int | str] = ()
) -> tuple[Declaration, Observation, tuple[str, ...]]:
    """Own the lane of what a container is cloned from, `known` from when it was to be built, and look at it.

    Returns it as it is declared and as it stands there, with what is to be told of it.
    """
    catalog = task.catalog.current()
    look = _LOOK in task.running.journal
    named = [[*known, 0]] if known and not look else None
    told: list[str] = []

    def find() -> list[tuple[int, str, int]]:
        lanes, passed_over = _sources(task, clone, look=look, claiming=True)
        told.extend(passed_over)
        return [one.named for one in lanes]

    found = task.read(_SOURCES, lambda: named or find())
    passed_over = task.read(_PASSED_OVER, lambda: told)
    held = task.hold_shortest({lane(ctid): more for ctid, _, more in found})
    ctid, node = task.read(SOURCE, lambda: next([ctid, node] for ctid, node, _ in found if lane(ctid) == held))
    template = task.current_declaration(clone.clone_from)
    source = template if ctid == template.ctid else catalog.copy(template.ctid, ctid, node)
    try:
        there, warnings = template_there(task, source)
    except TransientError:
        # Whoever waits in this line would else wait for the patience of all before it, one after another.
        task.give_back(held)
        raise
    _refuse_taken(task, source, there)
    return source, there, (*passed_over, *(warnings if there.is_template else ()))


def sources(task: PhoenixTask, clone: Declaration, *, look: bool = False) -> list[Declaration]:
    """Return what serves the node of a container that is to be cloned: at least one, which may be still to be made.

    The template alone, without a call, where no copies are made, or where by what is declared it serves the node. It
    is not trusted to stand where it is declared when it is to be looked for.
    """
    return [one.declaration for one in _sources(task, clone, look=look).lanes]


def _sources(task: PhoenixTask, clone: Declaration, *, look: bool, claiming: bool = False) -> _Found:
    catalog = task.catalog.current()
    template = task.current_declaration(clone.clone_from)
    if catalog.copy_ctids is None or not clone.node:
        return _Found([_Source(template)])
    offer = task.offering.on(clone.node)
    if template.node and template.lanes == 1 and not look and serving(clone, catalog, offer) is template:
        return _Found([_Source(template)])
    seen = task.proxmox.observe_template(template.node, template.ctid, elsewhere=False)
    home = at_home(template, seen)
    if not home.node:  # it is placed first
        return _Found([_Source(home)])
    lies = Origin.seen(seen) if seen.is_template else Origin.declared([home, *catalog.above(template)])
    serves = home.node == clone.node or is_reachable(clone, lies, offer)
    if serves and template.lanes == 1:
        return _Found([_Source(home)])
    node = home.node if serves else clone.node
    places = task.proxmox.standing(catalog.copy_ctids)
    beside = {ctid: at for ctid, at in places.items() if at == node}  # whatever becomes of the other nodes
    seen_there = [one for one in _look_at(task, beside) if one.node == node]
    standing = [one for one in seen_there if is_copy(one, template.ctid) and not on_its_way(one)]
    found = [_Source(home)] if serves else []
    found += [_Source(catalog.copy(template.ctid, one.ctid, node), ready=one.is_template) for one in standing]
    if len(found) < template.lanes and node != home.node:
        away = [one for one in everything_there(task.proxmox, catalog.copy_ctids).seen if one.ctid not in beside]
        coming = [one for one in away if is_copy(one, template.ctid) and arrived(one).node == node]
        found += [_Source(catalog.copy(template.ctid, one.ctid, node), ready=one.is_template) for one in coming]
        seen_there += [one for one in away if one.node == home.node and _is_new(one) and _may_come(task, clone)]
    missing = max(template.lanes - len(found), 0)
    told = _passed_over(task, template, seen_there) if missing else ()
    wanted = template.ctid, node, catalog.copy_ctids, places, missing
    numbers = claim_ctids(task, *wanted) if claiming else free_ctids(task.proxmox, *wanted)
    found += [_Source(catalog.copy(template.ctid, ctid, node), ready=False) for ctid in numbers]
    first, *more = found[: template.lanes]
    return _Found([replace(first, ready=True), *more], told)


def _passed_over(task: PhoenixTask, template: Declaration, seen: Sequence[Observation]) -> tuple[str, ...]:
    """Tell of what was to become something, and what made it died: it will be no copy, and its CTID is taken.

    What is at a CTID that a job makes a copy at is that job's to tell of, or to remove.

    Raises TransientError while something is being created that may be a copy.
    """
    new = [one for one in seen if _is_new(one)]
    for one in new:
        if task.running.tries < _LOOKS or running_makers(task.proxmox, one.ctid, (one.node,), None):
            told = f"CT {one.ctid} on {one.node} is being created, maybe as a copy."
            raise TransientError(told, cause="being-created")
    others = claimed(task) if new else frozenset()
    return tuple(
        f"CT {one.ctid} on {one.node} was passed over for a copy of template {template.ctid}: it is half-made, and the "
        f"Proxmox task that was creating it is gone. If nobody needs it, run on {one.node}: `pct unlock {one.ctid}`, "
        f"{unmount(one.ctid)}, then `pct destroy {one.ctid} --destroy-unreferenced-disks 1`."
        for one in new
        if one.ctid not in others
    )


def _is_new(seen: Observation) -> bool:
    """Return whether Proxmox is creating it, and nothing shows yet what it will be."""
    return seen.lock == "create" and seen.marker is None


def _may_come(task: PhoenixTask, clone: Declaration) -> bool:
    """Return whether a copy for a container's node is cloned beside its template first, and migrated."""
    catalog = task.catalog.current()
    copy = catalog.copy(clone.clone_from or 0, (catalog.copy_ctids or range(1))[0], clone.node)
    return takes_long(copy) or lacks_os_template(task, copy)


def _look_at(task: PhoenixTask, places: Mapping[int, str]) -> list[Observation]:
    return [task.proxmox.observe_template(node, ctid, elsewhere=False) for ctid, node in sorted(places.items())]


def as_cloned(task: PhoenixTask, clone: Declaration) -> Declaration:
    """Return a declaration as that of what this task has chosen to clone."""
    ctid, node = json.loads(task.running.journal.get(SOURCE, "[null, null]"))
    if clone.clone_from in {None, ctid} or ctid is None:
        return clone
    return clone.cloned_by(task.catalog.current().copy(clone.clone_from, ctid, node))


def _refuse_taken(task: PhoenixTask, source: Declaration, there: Observation) -> None:
    """Choose again what is cloned when a copy's CTID was taken, or the copy moved, before its lane was ours."""
    if source.copy_of is None or there.presence is Presence.ABSENT:
        return
    if not is_copy(there, source.copy_of) or source.node != arrived(there).node:
        look_again(task, source, f"CT {source.ctid} is not a copy of template {source.copy_of} on {source.node}.")


def build_alone(task: PhoenixTask, template: Declaration) -> None:
    """Own the building of a template and of its copies, where two that ran at once would have the same address."""
    if task.catalog.current().copy_ctids is not None and runs_with_a_fixed_address(template):
        task.hold(_building(template))


def end_building(task: PhoenixTask, template: Declaration) -> None:
    """Let the next one be built."""
    if task.catalog.current().copy_ctids is not None and runs_with_a_fixed_address(template):
        task.release(_building(template))


def refuse_undone(task: PhoenixTask, clone: Declaration, template: Declaration) -> None:
    """Have time go by before what this job built for a clone, and is none any more, is built again; others go on.

    Raises TransientError: whatever undoes it may do so each time, and each build of it goes well.
    """
    if not task.redo(f"source of {clone.ctid}"):
        return
    task.forget(TEMPLATE)
    end_building(task, template)
    task.release(lane(template.ctid))
    raise TransientError(
        f"Unable to clone CT {clone.ctid}: this job built template {template.ctid} on {template.node}, and it is no "
        "template any more.",
        cause="undone",
        remedy=f"Find out what changes or removes CT {template.ctid}: see its tasks on {template.node}. Then send the "
        "request again.",
    )


def _building(template: Declaration) -> str:
    return f"build/{template.copy_of or template.ctid}"


def look_again(task: PhoenixTask, source: Declaration, why: str) -> Never:
    """Give the lane of a source back, and choose again in the next run, by where the template stands.

    Raises TransientError.
    """
    task.once(_LOOK, lambda: True)
    task.forget(TEMPLATE)
    task.forget(SOURCE)
    task.forget(_SOURCES)
    task.forget(_PASSED_OVER)
    task.release(lane(source.ctid))
    raise TransientError(why, cause="moved")
