"""Wait until what Proxmox was told to destroy is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.observation import Presence

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.core.model.ports import Proxmox


def wait_until_gone(task: PhoenixTask, step: str, posted: dict[str, Any], node: str, ctid: int) -> None:
    """Wait for the removal that a step has posted. Raises PermanentError, in Proxmox's words, if it failed.

    One that failed over a CTID that is not there any more has nothing left to do.
    """
    try:
        task.wait_until_done(step, posted, f"destroy CT {ctid} on {node}", kind=f"vzdestroy {node}")
    except PermanentError as error:
        if not is_gone(task.proxmox, node, ctid, error):
            raise


def is_gone(proxmox: Proxmox, node: str, ctid: int, error: PermanentError) -> bool:
    """Return whether a removal failed because there is nothing to remove; looks only where that may be."""
    may_be = error.cause in {"missing", "task-forgotten"}
    return may_be and proxmox.observe_template(node, ctid).presence is Presence.ABSENT
