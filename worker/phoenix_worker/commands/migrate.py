"""`phoenix-lxc migrate FILE`: from files older than native templates to the present format."""

# No postponed annotations here: typer reads them when a command runs.
import difflib
import os
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from phoenix_producer.cli.ctid_argument import ctid as read_ctid
from phoenix_producer.cli.help_texts import epilog
from phoenix_producer.plain_text import plain_line
from phoenix_worker.catalog.document import decode, read
from phoenix_worker.catalog.findings import CatalogError
from phoenix_worker.catalog.migration import migrate as migrated
from phoenix_worker.catalog.migration import remarks
from phoenix_worker.commands.printing import err, out, print_findings, say

NOT_WRITTEN = 1
BAD_INPUT = 2

_STYLES = {"+": "green", "-": "red", "@": "cyan"}

# The only command of its app stands in the callback, so that it needs no name after `migrate`; a group would take
# options that follow the file for a command's name if they were not allowed to stand anywhere.
app = typer.Typer(
    invoke_without_command=True,
    context_settings={"allow_interspersed_args": True},
    subcommand_metavar="",
    short_help="Migrate a catalog that has lxc_templates.",
    epilog=epilog(
        "phoenix-lxc migrate old.json",
        "phoenix-lxc migrate old.json --write",
        codes="0 success; 1 the file could not be written; 2 it cannot be migrated, or wrong usage.",
    ),
)


@app.callback()
def migrate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The catalog to migrate.")],
    *,
    write: Annotated[bool, typer.Option("--write", help="Overwrite the file with the result.")] = False,
    seal: Annotated[
        list[int] | None,
        typer.Option(
            parser=read_ctid,
            metavar="CTID",
            help="Declare this one a template although it looks like a running service.",
        ),
    ] = None,
) -> None:
    """Print what a migration from lxc_templates and template_file to clone_from_ctid changes in a catalog.

    clone_from_template_ctid, an older name, becomes clone_from_ctid too.

    What others are cloned from becomes a template and never runs again.
    Anything that looks like a running service (starts at boot, has ports, is
    depended on) needs --seal CTID.

    To migrate a container to another node: phoenix-lxc move CTID --to NODE
    """
    try:
        before = read(file)
        text = decode(before)
        after = migrated(text, seal=seal or ())
    except CatalogError as error:
        print_findings(err(), "refused", "bold red", error.refusals)
        raise typer.Exit(BAD_INPUT) from None
    if after == text:
        say(f"{file} needs no migration.")
        return
    if write:  # before who reads what is printed goes away, such as `head`
        _write(file, before, after.encode())
    _print_diff(file, text, after)
    print_findings(err(), "warning", "yellow", remarks(after))
    if write:
        say(f"{file} is migrated. Look at it with: phoenix-lxc catalog check {shlex.quote(str(file))}")
    else:
        say(f"{file} was not changed; add --write to overwrite it.")


def _print_diff(file: Path, before: str, after: str) -> None:
    console = out()
    old, new = before.split("\n"), after.split("\n")
    for line in difflib.unified_diff(old, new, str(file), f"{file} (migrated)", lineterm=""):
        console.print(Text(plain_line(line), style=_STYLES.get(line[:1], "")))


def _write(file: Path, before: bytes, after: bytes) -> None:
    try:
        if file.read_bytes() != before:
            say(f"{file} was changed meanwhile and is left alone. Run the migration again.")
            raise typer.Exit(NOT_WRITTEN)
        _replace(file.resolve(), after)
    except OSError as error:
        say(f"{file} could not be written: {error.strerror}. It was not changed.")
        raise typer.Exit(NOT_WRITTEN) from None


def _replace(file: Path, content: bytes) -> None:
    """Put the content in the file's place at once, with the file's own mode."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as temporary:
            temporary.write(content)
            temporary.flush()
            os.fsync(temporary.fileno())
        shutil.copymode(file, name)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
