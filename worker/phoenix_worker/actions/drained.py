"""What a drained node is not given: new containers. What stands there is worked on as before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.durable.tables import Table

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration

DRAINED = "drained"
"""The table of the ledger: node → who drained it, and when."""


def refuse_drained(task: PhoenixTask, declaration: Declaration) -> None:
    """Raise PermanentError if what is declared would be made on a drained node.

    What is placed was never placed on one; a node that is drained after the choice ends no job.
    """
    if declaration.nodes:
        return
    node, ctid = declaration.node, declaration.ctid
    entry = Table(task.engine.ledger, DRAINED).entries().get(node)
    if entry is not None:
        by = f" by {entry['by']}" if entry.get("by") else ""
        raise PermanentError(
            f"Unable to make CT {ctid} on {node}: the node was drained{by}, and takes no new containers.",
            cause="node-drained",
            remedy=f"Run `phoenix-lxc undrain {node}`, or declare another `node`.",
        )
