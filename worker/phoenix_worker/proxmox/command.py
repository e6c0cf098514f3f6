"""Commands on a node as lists of arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_BYTES = 8 * 1024 * 1024
"""Of what a command prints, on each side. A container has a say in that: its own shell and `cat` are run in it."""
TOO_MUCH = "shell-output"
_SHOWN, _LONGEST_WORD = 3, 40


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
    """Name a command in messages by its first words, without programs; the others may be long."""
    return f"'{' '.join(word if len(word) <= _LONGEST_WORD else '…' for word in argv[:_SHOWN])}'"


def too_much(doing: str) -> TransientError:
    """Say that a command printed more than anybody reads; `doing` begins with "Unable to"."""
    return TransientError(f"{doing}: it printed more than {MOST_BYTES // 1024**2} MiB.", cause=TOO_MUCH)
