"""Commands that tell what differs: their exit code 2 says that something does, so bad input is 64 there.

A script branches on them: 0 nothing differs, 2 something does, everything else is trouble. See `docs/adr/0009-…`.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

DIFFERS = 2
USAGE = 64
"""`EX_USAGE` of sysexits.h."""
_UsageError: Any = typer.BadParameter.__base__
"""What wrong arguments are; typer gives no name to it."""


class Comparing(TyperCommand):
    """A command whose exit code for bad input is 64."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Read the arguments."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except _UsageError as error:
            error.exit_code = USAGE
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except _UsageError as error:
            error.exit_code = USAGE
            raise
