"""Commands that other packages plug into `phoenix-lxc`: entry points of the group `phoenix_lxc.commands`.

Each names a `typer.Typer`, which is imported when its command is used or listed. One that needs more than is installed
is listed all the same and says what to install.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from phoenix_producer.cli.extras import GROUP, installing
from phoenix_producer.cli.help_texts import SET_UP

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_BAD_INPUT = 2


class PluggableGroup(TyperGroup):
    """A group of commands that finds further ones among the entry points."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name the built-in commands, then the plugged ones."""
        return [*super().list_commands(ctx), *sorted(entry_points(group=GROUP).names)]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Take `migrate … --to NODE` for `move`: a container is meant, and not a catalog."""
        if args[0] == "migrate" and any(one == "--to" or one.startswith("--to=") for one in args):
            args = ["move", *args[1:]]
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Find a command by its name; None if there is none."""
        found = entry_points(group=GROUP, name=cmd_name)
        return super().get_command(ctx, cmd_name) or next(map(_load, found), None)


def _load(plugin: EntryPoint) -> TyperGroup:
    try:
        app = plugin.load()
    except ModuleNotFoundError:
        app = _hint(plugin.name)
    group = typer.main.get_group(app)
    group.name = plugin.name
    group.rich_help_panel = SET_UP
    return group


def what_it_needs(name: str) -> str | None:
    """Return the command that installs what this plugged command lacks; None if it lacks nothing."""
    try:
        for plugin in entry_points(group=GROUP, name=name):
            plugin.load()
    except ModuleNotFoundError:
        return installing(name)
    return None


def _hint(name: str) -> typer.Typer:
    line = installing(name)
    # Whatever the command would have taken is taken, so that the hint is the answer to it.
    app = typer.Typer(
        invoke_without_command=True,
        subcommand_metavar="",
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True},
    )

    @app.callback(help=escape(f"Not installed. From a checkout: {line}"))
    def hint(_arguments: Annotated[list[str] | None, typer.Argument(hidden=True)] = None) -> None:
        typer.echo(f"phoenix-lxc {name} needs more than is installed here. From a checkout: {line}", err=True)
        raise typer.Exit(_BAD_INPUT)

    return app
