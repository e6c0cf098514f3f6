"""What a request asks for beside what the catalog declares."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phoenix_worker.core.differs.scripts import run_again

if TYPE_CHECKING:
    from phoenix_producer.contract import EnsureRequest
    from phoenix_worker.catalog.declaration import Declaration


def as_requested(declaration: Declaration, request: EnsureRequest) -> Declaration:
    """Return a declaration with the state that a request wants, and the scripts that it wants to run again."""
    declaration = run_again(declaration, request.rerun)
    return declaration if request.state is None else replace(declaration, state=request.state)
