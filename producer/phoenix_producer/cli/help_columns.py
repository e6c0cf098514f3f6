"""Help without the names of Python's types: `--timeout SECONDS`, and neither `--json <bool>` nor `CTID <list[int]>`.

Newer versions of typer give them a column of their own (`display_type_rich`), which takes a third of 80 columns.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperArgument, TyperOption


def leave_out_types() -> None:
    """Have help and man page show the placeholder of an option, if it has one, and of an argument its name alone."""
    for kind, shown in ((TyperOption, _placeholder), (TyperArgument, _nothing)):
        setattr(kind, "display_type_rich", shown)  # noqa: B010 - to mypy a method is not to be assigned to


def _placeholder(option: Any, **_: Any) -> str:
    return option.metavar or ""


def _nothing(_argument: Any, **_: Any) -> str:
    return ""
