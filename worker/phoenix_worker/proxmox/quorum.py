"""Quorum, asked for before the two requests that do their damage without it.

`DELETE …/lxc/ID` destroys the volumes and keeps the configuration, and `POST …/template` renames the disk and leaves a
container that does not start: neither looks at the quorum first (seen on two nodes of PVE 9.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model.errors import RESTORE_QUORUM, PermanentError, TransientError
from phoenix_worker.proxmox.error_table import PERMISSION
from phoenix_worker.proxmox.translate import Request

if TYPE_CHECKING:
    from collections.abc import Callable

STATUS = Request("GET", "cluster/status", "ask for the cluster's quorum", "Sys.Audit on /")


def is_quorate(rows: list[dict[str, Any]]) -> bool:
    """Read the answer of `GET /cluster/status`. A node on its own is in no cluster, and always quorate.

    It names at least the node that is asked. Raises LookupError where it does not: that says nothing of any quorum.
    """
    if not any(row["type"] == "node" for row in rows):
        raise LookupError("cluster/status names no node")
    return all(bool(int(row["quorate"])) for row in rows if row["type"] == "cluster")


def refuse_without_quorum(rows_of: Callable[[Request], list[dict[str, Any]]], doing: str) -> None:
    """Raise TransientError unless the cluster has quorum. A token that may not ask for it is not held up."""
    try:
        rows = rows_of(STATUS)
    except PermanentError as error:
        if error.cause != PERMISSION:
            raise
        return
    if not is_quorate(rows):
        raise TransientError(
            f"Unable to {doing}: the cluster has no quorum. Proxmox would damage the disks, so it was not asked to.",
            cause="no-quorum",
            remedy=RESTORE_QUORUM,
        )
