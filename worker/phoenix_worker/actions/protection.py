"""Take the protection of a container away where it is ours, and is in the way of what is to be done."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from phoenix_worker.actions.look import look, permit
from phoenix_worker.catalog.declaration import PROTECTION
from phoenix_worker.core.allowed.ownership import may_write
from phoenix_worker.core.model.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


@contextmanager
def unprotected(
    task: PhoenixTask, declaration: Declaration, seen: Observation, *, adopted: bool
) -> Iterator[Observation]:
    """Take protection away for changes that end with putting it back; gives what is seen then.

    Proxmox looks at the protection that stands there, not at the one that comes with a change of disks. It is put
    back also when a change is refused; a worker that dies meanwhile is followed by a run that sees it missing.
    """
    task.proxmox.configure(seen.node, seen.ctid, changes={PROTECTION: "0"}, delete=(), digest=seen.digest)
    after, verdict = look(task, declaration, adopt=adopted)
    permit(may_write(verdict), verdict, f"configure CT {seen.ctid}")
    try:
        yield after
    except PermanentError:
        if declaration.protected:
            task.proxmox.configure(seen.node, seen.ctid, changes={PROTECTION: "1"}, delete=(), digest=None)
        raise
