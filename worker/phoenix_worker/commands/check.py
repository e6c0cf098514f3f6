"""`phoenix-lxc check`: everything that a worker depends on, before a request fails of it."""

# No postponed annotations here: typer reads them when a command runs.
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from phoenix_producer.cli.help_texts import ACCEPT_NOT_APPLIED, epilog
from phoenix_producer.plain_text import plain_block
from phoenix_worker.check.checkup import check_all
from phoenix_worker.commands.printing import out, say
from phoenix_worker.core.checkup.line import Level, Line, counted, error
from phoenix_worker.settings import SettingsError, load_settings

FAILED = 1
_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "bold red"}
_WIDTH = max(map(len, Level))

app = typer.Typer(
    invoke_without_command=True,
    subcommand_metavar="",
    short_help="Check what a worker needs; print remedies.",
)


@app.callback(
    epilog=epilog(
        "cd /etc/phoenix && phoenix-lxc check",
        "phoenix-lxc check --json",
        codes="0 no errors (there may be warnings); 1 errors; 2 wrong usage.",
    )
)
def check(
    *,
    accept_not_applied: Annotated[
        bool,
        typer.Option("--accept-not-applied", help=ACCEPT_NOT_APPLIED),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check settings, catalog, Redis, workers, Proxmox and shell access; print remedies. Changes nothing.

    It reads the settings of a worker (PHOENIX_*, or .env in this directory):
    run it where a worker runs, as the user that it runs as.
    """
    lines = []
    for line in _lines(accepted=accept_not_applied):
        lines.append(line)
        if not as_json:
            _print(line)
    levels = Counter(line.level for line in lines)
    failed = bool(levels[Level.ERROR])
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "lines": [asdict(line) for line in lines]}, indent=2))
    else:
        told = [counted(levels[Level.ERROR], "error"), counted(levels[Level.WARNING], "warning")]
        say(f"{', '.join(told)}, {levels[Level.OK]} OK.")
    raise typer.Exit(FAILED if failed else 0)


def _lines(*, accepted: bool) -> Iterator[Line]:
    try:
        settings = load_settings()
    except SettingsError as wrong:
        _, *problems = str(wrong).splitlines()
        remedy = "See docs/configuration.md. Nothing else is checked until the settings are correct."
        yield from (error("Settings", problem.strip(), remedy) for problem in problems)
        return
    yield from check_all(settings, accepted=accepted)


def _print(line: Line) -> None:
    console, style = out(), _STYLES[line.level]
    console.print(Text.assemble((f"{line.level:<{_WIDTH}}", style), plain_block(f"  {line.about}: {line.text}")))
    if line.remedy:
        console.print(Text(f"{'':{_WIDTH}}  → {plain_block(line.remedy)}"))
