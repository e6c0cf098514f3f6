"""`phoenix-lxc setup`: what a machine is set up with, printed to be read and put in its place."""

# No postponed annotations here: typer reads them when a command runs.
from enum import StrEnum
from importlib.resources import files
from typing import Annotated

import typer

from phoenix_producer.cli.help_texts import epilog
from phoenix_producer.cli.man_page import man_page
from phoenix_producer.cli.plugins import what_it_needs
from phoenix_producer.cli.session import BAD_INPUT
from phoenix_producer.cli.startable import as_program, hindrance, program
from phoenix_producer.cli.terminal import complain
from phoenix_producer.plain_text import plain_line


class Unit(StrEnum):
    """What systemd is given."""

    USER = "user"
    WORKER = "worker"
    FLOWER = "flower"
    SERVE = "serve"


PLACES = {
    Unit.USER: "/etc/sysusers.d/phoenix-lxc.conf",
    Unit.WORKER: "/etc/systemd/system/phoenix-worker.service",
    Unit.FLOWER: "/etc/systemd/system/phoenix-flower.service",
    Unit.SERVE: "/etc/systemd/system/phoenix-serve.service",
}
"""Where each belongs."""

setup_group = typer.Typer(help="Print systemd units, or the man page.", no_args_is_help=True)


@setup_group.command(
    epilog=epilog(
        "phoenix-lxc setup systemd --print",
        "phoenix-lxc setup systemd --print worker >phoenix-worker.service",
        codes="0 success; 2 wrong usage.",
    ),
    short_help="Print systemd units for a worker, Flower and the HTTP server.",
)
def systemd(
    unit: Annotated[
        Unit | None,
        typer.Argument(metavar="UNIT", show_default=False, help="Print this one alone."),
    ] = None,
    *,
    printed: Annotated[bool, typer.Option("--print", help="Print them. Nothing is installed.")] = False,
) -> None:
    """Print the systemd units of a worker, of Flower and of the HTTP server, and the user that they run as.

    They start the phoenix-lxc that printed them. The first line of each says
    where it belongs. docs/getting-started.md has the commands. Where systemd
    could not start it, a warning says why; the unit has it as a comment.
    """
    if not printed:
        complain("This command installs nothing. Add --print, and put what it prints in its place.")
        raise typer.Exit(BAD_INPUT)
    chosen = [unit] if unit else list(Unit)
    typer.echo("\n\n".join(f"# {PLACES[one]}\n{unit_text(one)}" for one in chosen))
    for warning in dict.fromkeys(text for one in chosen for text in obstacles(one)):
        complain(f"Warning: {warning}")


def unit_text(unit: Unit) -> str:
    """Return a unit; what it starts is the phoenix-lxc of this installation."""
    name = PLACES[unit].rpartition("/")[2]
    text = files("phoenix_producer.cli").joinpath("systemd", name).read_text(encoding="utf-8").strip()
    warnings = "".join(f"# {one}\n" for one in obstacles(unit))
    return warnings + text.replace("@PROGRAM@", as_program(program()))


def obstacles(unit: Unit) -> list[str]:
    """Return why the service of this unit could not start, each with what to do."""
    if unit is Unit.USER:
        return []
    found = [f"systemd cannot start this installation: {why}"] if (why := hindrance()) else []
    if extra := what_it_needs(unit):
        found.append(f"phoenix-lxc {unit} needs more than is installed here. From a checkout: {extra}")
    return [plain_line(one) for one in found]


@setup_group.command(
    epilog=epilog(
        "phoenix-lxc setup man >/usr/local/share/man/man1/phoenix-lxc.1",
        codes="0 success; 2 wrong usage.",
    ),
    short_help="Print the man page.",
)
def man(context: typer.Context) -> None:
    """Print the man page, made from the help of every command that is installed."""
    typer.echo(man_page(context.find_root()), nl=False)
