"""Names of nodes that the cluster does not have."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_SUCH_NODE = "no-such-node"


def refuse_unknown_node(name: str, known: Iterable[str], doing: str) -> None:
    """Raise PermanentError unless the cluster has a node of this name; `doing` completes "Unable to …"."""
    there = sorted(known)
    if name in there:
        return
    likely = difflib.get_close_matches(name, there, 1)
    hint = f"Did you mean '{likely[0]}'? " if likely else ""
    raise PermanentError(
        f"Unable to {doing}: the cluster has no node '{name}'.",
        cause=NO_SUCH_NODE,
        remedy=f"{hint}Its nodes are: {', '.join(there)}.",
    )
