"""The node on which a container stands, wherever the catalog would have it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phoenix_worker.core.model.observation import Observation, Presence

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import Declaration


def strangers_apart(declaration: Declaration, seen: Observation) -> Observation:
    """Return what was found on whichever node; without our marker, on a node that is not declared, it is elsewhere."""
    stranger = seen.presence is Presence.HERE and not seen.is_ours
    if not stranger or declaration.node or declaration.may_be_on(seen.node):
        return seen
    config = {key: value for key, value in seen.config.items() if key == "hostname"}
    return Observation(seen.ctid, seen.node, Presence.OTHER_NODE, config)


def at_home(declaration: Declaration, seen: Observation) -> Declaration:
    """Return a declaration as that of the node where the container stands, which is ours if it is another one.

    Of one of ours it tells the copy of its template that it was cloned from, if it was one.
    """
    if seen.presence is not Presence.HERE:
        return declaration
    marker = seen.marker
    via = marker.via if marker is not None and seen.is_ours else declaration.via
    there = declaration.standing_on(seen.node)
    return there if there.via == via else replace(there, via=via)
