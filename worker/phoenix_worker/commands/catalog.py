"""`phoenix-lxc catalog`: everything that is wrong with one, before a worker reads it, and what may stand in one."""

# No postponed annotations here: typer reads them when a command runs.
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from phoenix_producer.cli.help_texts import epilog
from phoenix_worker.catalog.findings import Advice, CatalogError, Refusal, plain
from phoenix_worker.catalog.loading import Catalog, load
from phoenix_worker.catalog.schema import catalog_schema
from phoenix_worker.commands.printing import out, print_findings, say
from phoenix_worker.core.checkup.line import counted
from phoenix_worker.settings import SettingsError
from phoenix_worker.settings.defaults import catalog_defaults

BAD_INPUT = 2

app = typer.Typer(help="Check a catalog, or print its JSON Schema.", no_args_is_help=True)


@app.callback()
def catalog() -> None:
    """Look at catalogs of containers."""


@app.command(
    epilog=epilog(
        "phoenix-lxc catalog check phoenix_lxc_configs.json",
        codes="0 the catalog can be used; 2 it is refused or cannot be read, or wrong usage.",
    )
)
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The catalog, such as phoenix_lxc_configs.json.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a catalog and list everything that is wrong with it.

    Of the settings, PHOENIX_SCRIPTS, _NODE, _COPY_CTIDS and _SCRATCH_CTIDS are
    read where they are set, as by workers.
    """
    try:
        defaults = catalog_defaults()
    except SettingsError as error:
        say(str(error))
        raise typer.Exit(BAD_INPUT) from None
    loaded: Catalog | None = None
    refusals: tuple[Refusal, ...] = ()
    try:
        loaded = load(file, defaults)
        warnings = loaded.warnings
    except CatalogError as error:
        refusals, warnings = error.refusals, error.warnings
    if as_json:
        typer.echo(json.dumps(_report(file, loaded, refusals, warnings), indent=2))
    else:
        _print(file, loaded, refusals, warnings)
    raise typer.Exit(BAD_INPUT if refusals else 0)


@app.command(
    epilog=epilog(
        "phoenix-lxc catalog schema > phoenix_lxc_configs.schema.json",
        codes="0 success; 2 wrong usage.",
    )
)
def schema() -> None:
    """Print a JSON Schema of the catalog, for the file's $schema and for editors."""
    typer.echo(json.dumps(catalog_schema(), indent=2, ensure_ascii=False))


def _report(
    file: Path, loaded: Catalog | None, refusals: tuple[Refusal, ...], warnings: tuple[Advice, ...]
) -> dict[str, Any]:
    return {
        "file": str(file),
        "ok": not refusals,
        "refusals": [asdict(refusal) for refusal in refusals],
        "warnings": [asdict(advice) for advice in warnings],
        "for_scripts": {} if loaded is None else dict(loaded.for_scripts),
        "containers": [] if loaded is None else loaded.containers(),
        "templates": [] if loaded is None else sorted(loaded.keys() - set(loaded.containers())),
    }


def _print(file: Path, loaded: Catalog | None, refusals: tuple[Refusal, ...], warnings: tuple[Advice, ...]) -> None:
    print_findings(out(), "warning", "yellow", warnings)
    print_findings(out(), "refused", "bold red", refusals)
    if loaded is None:
        say(f"{file}: {counted(len(refusals), 'error')}.")
        return
    if loaded.for_scripts:
        say(f"Handed to scripts only: {', '.join(map(plain, loaded.for_scripts))}.", out())
    containers = len(loaded.containers())
    say(f"{file} is valid. Containers: {containers}, templates: {len(loaded) - containers}.", out())
