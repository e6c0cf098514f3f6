"""The command line that was given, to be typed again: for who has stopped waiting and wants to continue."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from phoenix_producer.client.redis_url import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

_TIMEOUT = "timeout"


def command_again(context: typer.Context) -> str:
    """Write down all that was given but the `--timeout`, which is over. A password in a URL is left to be filled in."""
    words: list[str] = []
    here: Any = context
    while here.parent is not None:
        words = [str(here.info_name), *_words(here), *words]
        here = here.parent
    return shlex.join(["phoenix-lxc", *_words(here), *words])


def command_beside(context: typer.Context, *words: str) -> str:
    """Write down another command, for the same Redis."""
    return shlex.join(["phoenix-lxc", *_words(context.find_root()), *words])


def _words(context: Any) -> Iterator[str]:
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name != _TIMEOUT and source is not None and source.name == "COMMANDLINE":
            yield from _given(parameter, context.params[parameter.name or ""])


def _given(parameter: Any, value: Any) -> Iterator[str]:
    if isinstance(value, bool):
        yield (parameter.opts if value else parameter.secondary_opts)[0]
        return
    for one in value if isinstance(value, list | tuple) else (value,):
        if parameter.param_type_name != "argument":
            yield parameter.opts[0]
        yield place_of(str(one)).shown() if "://" in str(one) else str(one)
