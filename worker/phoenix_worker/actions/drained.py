"""What a drained node is not given: new containers. What stands there is worked on as before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.durable.tables import Table

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration

DRAINED = "drained"
"""The table of the ledger: node → who drained it, and when."""
_LONGEST = 200
_LAST = 253402300799.0
"""The last second that a date can have."""


def who_and_when(entry: dict[str, Any]) -> tuple[str, float | None]:
    """Read who drained a node, and when; what others wrote in the place of a time says nothing."""
    by, at = entry.get("by"), entry.get("at")
    told = by[:_LONGEST] if isinstance(by, str) else ""
    is_time = isinstance(at, int | float) and not isinstance(at, bool) and 0 <= at <= _LAST
    return told, float(at) if is_time and at is not None else None


def refuse_drained(task: PhoenixTask, declaration: Declaration) -> None:
    """Raise PermanentError if what is declared would be made on a drained node.

    What is placed was never placed on one; a node that is drained after the choice ends no job.
    """
    if declaration.nodes:
        return
    node, ctid = declaration.node, declaration.ctid
    entry = Table(task.engine.ledger, DRAINED).entries().get(node)
    if entry is not None:
        who, _ = who_and_when(entry)
        by = f" by {who}" if who else ""
        raise PermanentError(
            f"Unable to make CT {ctid} on {node}: the node was drained{by}, and takes no new containers.",
            cause="node-drained",
            remedy=f"Run `phoenix-lxc undrain {node}`, or declare another `node`.",
        )
