"""Quorum, asked for before the two requests that do their damage without it.

`DELETE …/lxc/ID` destroys the volumes and keeps the configuration, and `POST …/template` renames the disk and leaves a
container that does not start: neither looks at the quorum first (seen on two nodes of PVE 9.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model.errors import RESTORE_QUORUM, PermanentError, TransientError
from phoenix_worker.proxmox.error_table import PERMISSION
from phoenix_worker.proxmox.translate import Request
from phoenix_worker.proxmox.understood import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable

Guest = tuple[str, int]
"""Node and CTID of one that is there."""
NO_QUORUM = "no-quorum"
STATUS = Request("GET", "cluster/status", "ask for the cluster's quorum", "Sys.Audit on /")


def is_quorate(rows: list[dict[str, Any]]) -> bool:
    """Read the answer of `GET /cluster/status`. A node on its own is in no cluster, and always quorate.

    It names at least the node that is asked. Raises LookupError where it does not: that says nothing of any quorum.
    """
    if not any(row["type"] == "node" for row in rows):
        raise LookupError("cluster/status names no node")
    return all(bool(int(row["quorate"])) for row in rows if row["type"] == "cluster")


def refuse_without_quorum(call: Callable[[Request], Any], doing: str, guest: Guest | None) -> None:
    """Raise TransientError unless the cluster has quorum.

    A token that may not see that is told by what is asked before a migration of the guest. One that may not migrate it
    either is not held up.
    """
    try:
        quorate = is_quorate(rows_of(STATUS, call(STATUS)))
    except PermanentError as error:
        if error.cause != PERMISSION:
            raise
        quorate = guest is None or _may_migrate(call, *guest)
    if not quorate:
        raise TransientError(
            f"Unable to {doing}: the cluster has no quorum. Proxmox would damage the disks, so it was not asked to.",
            cause=NO_QUORUM,
            remedy=RESTORE_QUORUM,
        )


def _may_migrate(call: Callable[[Request], Any], node: str, ctid: int) -> bool:
    """Ask `GET …/migrate`, which looks for quorum before all else (`migrate_vm_precondition` in pve-container).

    What forbids to ask says nothing of quorum: the privilege, no such guest, or a Proxmox that does not have it.
    """
    doing = f"ask for the cluster's quorum by CT {ctid} on {node}"
    try:
        call(Request("GET", f"nodes/{node}/lxc/{ctid}/migrate", doing, f"VM.Migrate on /vms/{ctid}"))
    except PermanentError:
        return True
    except TransientError as error:
        if error.cause != NO_QUORUM:
            raise
        return False
    return True
