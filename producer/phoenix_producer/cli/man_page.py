"""The man page of `phoenix-lxc`, made from the help of its commands."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def man_page(top: Any) -> str:
    """Return the page, in roff, for `phoenix-lxc` and every command that is listed in its help."""
    lines = [
        f'.TH PHOENIX\\-LXC 1 "" "phoenix\\-lxc {version("phoenix-lxc")}" "User Commands"',
        ".SH NAME",
        r"phoenix\-lxc \- ensure Proxmox LXC containers from native templates",
        ".SH SYNOPSIS",
        f".B {_text('phoenix-lxc')}",
        _text("[OPTIONS] COMMAND [ARGS]..."),
        ".SH DESCRIPTION",
        *_paragraphs(top.command.help),
        ".SH OPTIONS",
        *_options(top),
        ".SH COMMANDS",
    ]
    for context in commands_below(top, "phoenix-lxc"):
        lines += _command(context)
    lines += [".SH EXIT STATUS", *_paragraphs(top.command.epilog)]
    return "\n".join(lines) + "\n"


def commands_below(parent: Any, path: str) -> Iterator[Any]:
    """Yield the context of each command below that of `parent`, whose name is `path`; groups before their own."""
    for name in parent.command.list_commands(parent):
        command = parent.command.get_command(parent, name)
        context = type(parent)(command, info_name=f"{path} {name}", resilient_parsing=True)
        yield context
        if hasattr(command, "list_commands"):
            yield from commands_below(context, context.info_name)


def _command(context: Any) -> Iterator[str]:
    command = context.command
    words = [word for word in command.collect_usage_pieces(context) if word]
    yield f".SS {_text(' '.join([context.info_name, *words]))}"
    yield from _paragraphs(command.help or command.short_help)
    yield from _options(context)
    yield from _paragraphs(command.epilog)


def _options(context: Any) -> Iterator[str]:
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record and not getattr(parameter, "hidden", False):
            yield ".TP"
            yield f"\\fB{_text(record[0])}\\fR"
            yield _text(" ".join(record[1].split()))


def _paragraphs(text: str | None) -> Iterator[str]:
    """Set a help text: what is indented in it is an example, and stays as it is."""
    for block in re.split(r"\n\s*\n", (text or "").strip("\n")):
        lines = [line.rstrip() for line in block.splitlines()]
        examples = [line for line in lines if line.startswith("    ")]
        prose = " ".join(line.strip() for line in lines if not line.startswith("    "))
        if prose:
            yield from (".PP", _text(prose))
        if examples:
            yield from (".PP", ".RS 4", ".nf", *(_text(line.strip()) for line in examples), ".fi", ".RE")


def _text(text: str) -> str:
    """Escape what roff would take for its own."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{escaped}" if escaped[:1] in {".", "'"} else escaped
