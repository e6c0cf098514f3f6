"""Commands on a node as lists of arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 3


def encoded(argv: Sequence[str]) -> list[bytes]:
    """Return the arguments as the node's kernel takes them. Raises PermanentError for what no argument can hold."""
    try:
        words = [argument.encode() for argument in argv]
    except UnicodeEncodeError:
        words = []
    if not words or any(b"\0" in word for word in words):
        raise PermanentError(
            f"Unable to run {named(argv)!a}: an argument has a NUL character, or is not Unicode text.",
            cause="bad-command",
            remedy="Remove the character from the catalog.",
        )
    return words


def named(argv: Sequence[str]) -> str:
    """Name a command in messages by its first words; the others may be long."""
    return f"'{' '.join(argv[:_SHOWN])}'"
