"""What of a declaration can be applied without shell access to the node; the rest is refused, or left out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog.scripts import NAMING_FILES
from phoenix_worker.core.model.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phoenix_worker.catalog.declaration import Declaration, Script

NO_SHELL = "no-shell"
_LEFT_OUT: dict[str, Any] = {
    "needs_shell": (),
    "root_features": (),
    "devices": None,
    "device_nodes": (),
    "bind_mounts": (),
    "raw_lines": (),
    "hookscript": None,
    "scripts": (),
    "health_check": None,
}
"""The fields of a declaration that need shell access, with what they are without it."""


def within_reach(declaration: Declaration, *, has_shell: bool, accepted: bool) -> Declaration:
    """Return what can be applied: all of it where there is shell access, or where nothing needs it.

    Without it, what needs it is left out and named in `not_applied` if that is accepted. Raises PermanentError
    if it is not, and for scripts that are missing.
    """
    if not has_shell and declaration.needs_shell and not accepted:
        raise _refusal(declaration)
    by_creation = declaration.access if declaration.clone_from is None else ()
    _refuse_missing(declaration, declaration.scripts if has_shell else by_creation)
    if has_shell:
        return declaration
    if not (declaration.needs_shell or accepted):
        return replace(declaration, scripts=())
    told = [
        f"{key}: it needs shell access to the node, which the worker does not have" for key in declaration.needs_shell
    ]
    return replace(declaration, **_LEFT_OUT, not_applied=(*declaration.not_applied, *told))


def _refuse_missing(declaration: Declaration, scripts: Iterable[Script]) -> None:
    health = declaration.health_check and declaration.health_check.script
    wanted = (*scripts, *((health,) if health else ()))
    missing = [script.file for script in wanted if script.missing]
    if missing:
        raise PermanentError(
            f"Unable to ensure CT {declaration.ctid} on {declaration.where}: {', '.join(missing)} not found beside the "
            "worker's catalog.",
            cause="script-missing",
            remedy=f"Put it there on every worker, or remove it from {NAMING_FILES}.",
        )


def _refusal(declaration: Declaration) -> PermanentError:
    keys = ", ".join(declaration.needs_shell)
    verb = "needs" if len(declaration.needs_shell) == 1 else "need"
    return PermanentError(
        f"Unable to ensure CT {declaration.ctid} on {declaration.where}: {keys} {verb} shell access to the node, which "
        "the worker does not have.",
        cause=NO_SHELL,
        remedy="Set PHOENIX_SHELL for the workers, or add --accept-not-applied to do the rest without it.",
    )
