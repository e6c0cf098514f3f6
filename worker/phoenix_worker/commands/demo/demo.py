"""`phoenix-lxc demo`: the main job from end to end, on an embedded Redis and a simulated Proxmox."""

# No postponed annotations here: typer reads them when a command runs.
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from phoenix_producer.cli.help_texts import epilog
from phoenix_producer.cli.terminal import complain
from phoenix_worker.catalog.findings import CatalogError
from phoenix_worker.catalog.loading import Defaults, load
from phoenix_worker.commands.demo.ending import Ended, ended_by_signals
from phoenix_worker.commands.demo.parts import BadSurroundings, DemoFailed
from phoenix_worker.commands.demo.screen import Screen
from phoenix_worker.commands.demo.show import run
from phoenix_worker.commands.printing import err, print_findings

FAILED = 1
BAD_INPUT = 2

# AGPL-3.0: nothing imports it, it runs in a process of its own. Missing, it is missed here, not in that process's log.
if find_spec("fakepve") is None:
    raise ModuleNotFoundError("No module named 'fakepve'", name="fakepve")

app = typer.Typer(
    invoke_without_command=True,
    context_settings={"allow_interspersed_args": True},
    subcommand_metavar="",
    short_help="Watch it work on a simulated Proxmox.",
    epilog=epilog(
        "phoenix-lxc demo",
        "phoenix-lxc demo --keep --clone-seconds 5",
        codes="0 success; 1 the demo failed its checks; 2 wrong usage or bad input; 130 Ctrl-C.",
    ),
)


@app.callback()
def demo(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep everything running, with the page and Flower, until Ctrl-C.")
    ] = False,
    catalog: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Use this catalog instead of the example. The nodes, bridges, pools and storages it names are there.",
        ),
    ] = None,
    clone_seconds: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=30,
            metavar="SECONDS",
            help="Let a clone take this many seconds; creations and starts in proportion.",
        ),
    ] = 1.0,
) -> None:
    """Watch it work: an embedded Redis, a simulated Proxmox, a real worker, and the example catalog.

    From an empty node it ensures 103, 101 and 801; their templates are built
    on the way. Then it ensures them again. With REDIS_URL set, that server is
    used, in a database that must be empty. Nothing is left behind.
    """
    for module, what, extra in (("flower", "Flower", "monitor"), ("fastapi", "the HTTP server", "http")):
        if keep and find_spec(module) is None:
            _refuse(f"--keep starts {what}, which is not installed here. From a checkout: pip install '.[{extra}]'")
    if catalog is not None:
        _check(catalog)
    try:
        with ended_by_signals():
            run(Screen(), catalog=catalog, clone_seconds=clone_seconds, keep=keep)
    except BadSurroundings as error:
        _refuse(error)
    except DemoFailed:
        raise typer.Exit(FAILED) from None
    except Ended as ended:
        complain("Ended early. Every process was stopped; nothing is left behind.")
        raise typer.Exit(ended.exit_code) from None


def _check(catalog: Path) -> None:
    try:
        containers = load(catalog, Defaults(node="localhost")).containers()
    except CatalogError as error:
        print_findings(err(), "refused", "bold red", error.refusals)
        _refuse(f"{catalog} cannot be used; nothing was started.")
    if not containers:
        _refuse(f"{catalog} declares no container; nothing was started.")


def _refuse(why: object) -> NoReturn:
    complain(why)
    raise typer.Exit(BAD_INPUT)
