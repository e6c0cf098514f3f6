"""How commands write: text of a file is never taken for markup, and a pipe gets plain, unwrapped lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from phoenix_producer.plain_text import plain_block, plain_line
from phoenix_worker.catalog.findings import merged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phoenix_worker.catalog.findings import Finding


def out() -> Console:
    """Write results."""
    return Console(highlight=False, soft_wrap=True)


def err() -> Console:
    """Write errors and remarks, which are no result."""
    return Console(highlight=False, soft_wrap=True, stderr=True)


def say(text: str, console: Console | None = None) -> None:
    """Write one line, to stderr where nothing else is said. Names of files may have anything in them."""
    (console or err()).print(plain_line(text), markup=False)


def print_findings(console: Console, label: str, style: str, findings: Iterable[Finding]) -> None:
    """Print one line for each finding, and one for all CTIDs that it is the same for."""
    for line in merged(findings):
        console.print(Text.assemble((f"{label}: ", style), plain_block(line)))
