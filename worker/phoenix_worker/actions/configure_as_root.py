"""Make what only root may, through shell access to the node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.actions.look import look, permit
from phoenix_worker.core.allowed.ownership import may_write
from phoenix_worker.core.allowed.without_shell import NO_SHELL
from phoenix_worker.core.differs.diff import diff
from phoenix_worker.core.differs.raw_lines import edited, locked
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.proxmox.root_commands import RootCommands, digest

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.differs.root_only import RootChanges
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import NodeShell


def change_by_root(
    task: PhoenixTask, declaration: Declaration, seen: Observation, changes: RootChanges, *, adopted: bool
) -> Observation:
    """Make the changes to exactly what was seen, and look again. Raises PermanentError when they did not take."""
    doing = f"configure CT {seen.ctid} on {seen.node}"
    if task.shell is None:
        told = ", ".join(change.key for change in changes.changes)
        raise PermanentError(
            f"Unable to {doing}: only root on the node may change {told}, and the worker has no shell access to it.",
            cause=NO_SHELL,
            remedy="Set PHOENIX_SHELL for the workers, or add --accept-not-applied to do the rest without it.",
        )
    _make(task.shell, seen, changes)
    after, verdict = look(task, declaration, adopt=adopted, power=False)
    permit(may_write(verdict), verdict, f"configure CT {seen.ctid}")
    if left := diff(declaration, after).root:
        told = ", ".join(change.key for change in left.changes)
        raise PermanentError(
            f"Unable to {doing}: {told} had no effect.",
            cause="not-taken",
            remedy=f"Check it with `pct config {seen.ctid}` on {seen.node}.",
        )
    return after.beside(seen)


def _make(shell: NodeShell, seen: Observation, changes: RootChanges) -> None:
    """Each change carries the digest of what the one before left: nothing is written to what nobody judged."""
    root = RootCommands(shell, seen.node)
    for directory in changes.directories:
        root.have_directory(directory)
    known = seen.digest
    if changes.raw:
        known = _write_raw_lines(root, seen, changes)
    if changes.put or changes.delete:
        root.set_options(seen.ctid, changes.put, changes.delete, digest=known)


def _write_raw_lines(root: RootCommands, seen: Observation, changes: RootChanges) -> str:
    doing = f"configure CT {seen.ctid} on {seen.node}"
    old = root.config(seen.ctid)
    if digest(old) != seen.digest:
        raise TransientError(f"Unable to {doing}: it was changed meanwhile.", cause="stale-digest")
    text = old.decode("utf-8", "surrogateescape")
    if lock := locked(text):
        raise TransientError(f"Unable to {doing}: CT is locked ({lock}).", cause="locked")
    new = edited(text, changes.raw).encode("utf-8", "surrogateescape")
    root.replace_config(seen.ctid, old, new)
    return digest(new)
