"""A decorator that makes text of others plain, and so harmless to a terminal, before it is shown."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, ParamSpec

from phoenix_producer.plain_text import plain_block

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Given = ParamSpec("Given")


def harmless(lines: Callable[Given, Iterator[str]]) -> Callable[Given, Iterator[str]]:
    """Decorate a function that writes lines for people: each is yielded as plain text, see `plain_block`."""

    @wraps(lines)
    def plain_lines(*args: Given.args, **options: Given.kwargs) -> Iterator[str]:
        yield from map(plain_block, lines(*args, **options))

    return plain_lines
