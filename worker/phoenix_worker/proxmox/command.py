"""Commands on a node as lists of arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 3


def encoded(argv: Sequence[str]) -> list[bytes]:
    """Return the arguments as the node's kernel takes them. Raises PermanentError for what no argument can hold."""
    if not argv or any("\0" in argument for argument in argv):
        raise PermanentError(
            f"Unable to run {named(argv)}: an argument has a NUL character, or there is none.",
            cause="bad-command",
            remedy="Take the character out of the catalog.",
        )
    return [argument.encode("utf-8", "surrogateescape") for argument in argv]


def named(argv: Sequence[str]) -> str:
    """Name a command in messages by its first words; the others may be long."""
    return f"'{' '.join(argv[:_SHOWN])}'"
