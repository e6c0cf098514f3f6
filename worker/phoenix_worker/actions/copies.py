"""What a container is cloned from on its node: its template, or a copy of that. Whoever clones owns its lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

from phoenix_worker.actions.look import TEMPLATE, template_there
from phoenix_worker.base import lane
from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.core.model.home import at_home
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.core.planned.copies import free_numbers, serving
from phoenix_worker.core.planned.feasibility import Origin, is_reachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation

SOURCE = "source"
"""The journal's name of what a container is cloned from."""
_LOOK = "look-for-the-template"


def hold_source(
    task: PhoenixTask, clone: Declaration, known: Sequence[int | str] = ()
) -> tuple[Declaration, Observation, tuple[str, ...]]:
    """Own the lane of what a container is cloned from, `known` from when it was to be built, and look at it.

    Returns it as it is declared and as it stands there, with what is to be told of it.
    """
    catalog = task.catalog.current()
    look = _LOOK in task.running.journal
    known = () if look else known
    ctid, node = task.read(SOURCE, lambda: list(known) or _named(sources(task, clone, look=look)[0]))
    template = task.current_declaration(clone.clone_from)
    task.hold(lane(ctid))
    source = template if ctid == template.ctid else catalog.copy(template.ctid, ctid, node)
    there, warnings = template_there(task, source)
    _refuse_taken(task, source, there)
    return source, there, warnings


def sources(task: PhoenixTask, clone: Declaration, *, look: bool = False) -> list[Declaration]:
    """Return what serves the node of a container that is to be cloned: at least one, which may be still to be made.

    The template alone, without a call, where no copies are made, or where by what is declared it serves the node. It
    is not trusted to stand where it is declared when it is to be looked for.
    """
    catalog = task.catalog.current()
    template = task.current_declaration(clone.clone_from)
    offer = task.offering.on(clone.node)
    if catalog.copy_ctids is None or (not look and serving(clone, catalog, offer) is template):
        return [template]
    seen = task.proxmox.observe_template(template.node, template.ctid, elsewhere=False)
    home = at_home(template, seen)
    lies = Origin.seen(seen) if seen.is_template else Origin.declared([home, *catalog.above(template)])
    if home.node == clone.node or is_reachable(clone, lies, offer):
        return [home]
    standing = copies_on(task, template, clone.node)
    return standing[:1] or [_new_copy(task, template, clone.node, catalog.copy_ctids)]


def copies_on(task: PhoenixTask, template: Declaration, node: str) -> list[Declaration]:
    """Return the copies of a template that stand on a node, also those that are not finished."""
    catalog = task.catalog.current()
    return [catalog.copy(template.ctid, one.ctid, node) for one in copies_seen(task, template) if one.node == node]


def copies_seen(task: PhoenixTask, template: Declaration) -> list[Observation]:
    """Look at the copies of a template in the whole cluster: a call, and one for each CTID of copies that is taken."""
    ctids = task.catalog.current().copy_ctids
    places = task.proxmox.standing(ctids) if ctids is not None else {}
    seen = [task.proxmox.observe_template(node, ctid, elsewhere=False) for ctid, node in sorted(places.items())]
    return [one for one in seen if is_copy(one, template.ctid)]


def is_copy(seen: Observation, template: int | None) -> bool:
    """Return whether what stands there is ours, as a copy of this template."""
    marker = seen.marker
    return marker is not None and seen.is_ours and marker.copy_of == template


def _refuse_taken(task: PhoenixTask, source: Declaration, there: Observation) -> None:
    """Choose anew what is cloned when a copy's CTID was taken, or the copy moved, before its lane was ours."""
    if source.copy_of is None or there.presence is Presence.ABSENT:
        return
    if there.presence is not Presence.HERE or there.node != source.node or not is_copy(there, source.copy_of):
        look_again(task, source, f"CT {source.ctid} is no copy of template {source.copy_of} on {source.node}.")


def look_again(task: PhoenixTask, source: Declaration, why: str) -> Never:
    """Give the lane of a source back, and choose anew in the next run, by where the template stands."""
    task.once(_LOOK, lambda: True)
    task.forget(TEMPLATE)
    task.forget(SOURCE)
    task.release(lane(source.ctid))
    raise TransientError(why, cause="moved")


def _new_copy(task: PhoenixTask, template: Declaration, node: str, ctids: range) -> Declaration:
    """Choose the CTID of a copy that is to be made."""
    places = task.proxmox.standing(ctids)
    (ctid,) = free_numbers(template.ctid, node, ctids, places, 1)
    return task.catalog.current().copy(template.ctid, ctid, node)


def _named(source: Declaration) -> list[int | str]:
    return [source.ctid, source.node]
