"""The node on which a container stands, wherever the catalog would have it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phoenix_worker.core.model.observation import Presence

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


def at_home(declaration: Declaration, seen: Observation) -> Declaration:
    """Return a declaration as that of the node where the container stands, which is ours if it is another one.

    Of one of ours it tells the copy of its template that it was cloned from, if it was one.
    """
    if seen.presence is not Presence.HERE:
        return declaration
    marker = seen.marker
    via = marker.via if marker is not None and seen.is_ours else declaration.via
    return replace(declaration.standing_on(seen.node), via=via)
