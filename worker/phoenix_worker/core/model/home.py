"""The node on which a container stands, wherever the catalog would have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.model.observation import Presence

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


def at_home(declaration: Declaration, seen: Observation) -> Declaration:
    """Return a declaration as that of the node where the container stands, which is ours if it is another one."""
    return declaration.standing_on(seen.node) if seen.presence is Presence.HERE else declaration
