"""What a request asks for beside what the catalog declares."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phoenix_worker.core.differs.scripts import run_again
from phoenix_worker.core.model.errors import PermanentError

if TYPE_CHECKING:
    from phoenix_producer.contract import EnsureRequest
    from phoenix_worker.catalog.declaration import Declaration


def as_requested(declaration: Declaration, request: EnsureRequest) -> Declaration:
    """Return a declaration with what a request wants: a state, scripts that run again, an address in time.

    Raises PermanentError for what cannot be: scripts that it does not have, an address while it is stopped.
    """
    declaration = run_again(declaration, request.rerun)
    if request.state is not None:
        declaration = replace(declaration, state=request.state)
    if request.wait_for_address is None:
        return declaration
    if not declaration.runs:
        raise _never_runs(declaration)
    return replace(declaration, wait_for_address=request.wait_for_address)


def _never_runs(declaration: Declaration) -> PermanentError:
    what = "a template never runs" if declaration.is_template else "it is left stopped"
    return PermanentError(
        f"Unable to wait for an address of CT {declaration.ctid} on {declaration.where}: {what}.",
        cause="wait-while-stopped",
        remedy="Leave out wait_for_address, or ask for the state `running`.",
    )
