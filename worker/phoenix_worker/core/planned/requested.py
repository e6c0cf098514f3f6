"""What a request asks for beside what the catalog declares."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phoenix_producer.contract import DesiredState
from phoenix_worker.core.differs.scripts import run_again
from phoenix_worker.core.model.errors import PermanentError

if TYPE_CHECKING:
    from phoenix_producer.contract import EnsureRequest
    from phoenix_worker.catalog.declaration import Declaration


def as_requested(declaration: Declaration, request: EnsureRequest) -> Declaration:
    """Return a declaration with what a request wants: a state, scripts that run again, an address in time.

    Raises PermanentError for what cannot be: scripts that it does not have, an address while it is stopped.
    """
    declaration = in_state(run_again(declaration, request.rerun), request.state)
    if request.wait_for_address is None:
        return declaration
    if not declaration.runs:
        raise _never_runs(declaration)
    return replace(declaration, wait_for_address=request.wait_for_address)


def in_state(declaration: Declaration, state: str | None) -> Declaration:
    """Return a declaration with the state that a request wants; as it is where it wants none."""
    return declaration if state is None else replace(declaration, state=DesiredState(state))


def _never_runs(declaration: Declaration) -> PermanentError:
    what = "a template never runs" if declaration.is_template else "it is left stopped"
    return PermanentError(
        f"Unable to wait for an address of CT {declaration.ctid} on {declaration.where}: {what}.",
        cause="wait-while-stopped",
        remedy="Leave out wait_for_address, or ask for the state `running`.",
    )
