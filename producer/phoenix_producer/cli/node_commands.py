"""`phoenix-lxc nodes`, `drain` and `undrain`."""

# No postponed annotations here: typer reads them when a command runs.
from collections.abc import Callable
from typing import Annotated

import typer

from phoenix_producer.cli.help_texts import NODES, ONE_DOCUMENT, SECONDS, WAIT_FOR_ANSWER, epilog
from phoenix_producer.cli.session import print_json, talking
from phoenix_producer.cli.tables import node_lines
from phoenix_producer.cli.terminal import terminal_width, time_of_day
from phoenix_producer.cli.upkeep_commands import MOVE_EPILOG, move
from phoenix_producer.cli.without_workers import awaited
from phoenix_producer.client.handle import Handle
from phoenix_producer.client.producer import Producer
from phoenix_producer.nodes import Drained
from phoenix_producer.plain_text import plain_line

AsJson = Annotated[bool, typer.Option("--json", help=ONE_DOCUMENT)]
NodeArgument = Annotated[str, typer.Argument(metavar="NODE", show_default=False, help="Name of the node.")]
Timeout = Annotated[float | None, typer.Option(min=0, metavar=SECONDS, help=WAIT_FOR_ANSWER)]

_CODES = "0 success, including no change; 1 no such node, or no answer in time; 2 wrong usage; 130 Ctrl-C."


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog=epilog(
            "phoenix-lxc nodes",
            "phoenix-lxc nodes --json",
            codes="0 success; 1 Proxmox cannot be asked, or no answer in time; 2 wrong usage; 130 Ctrl-C.",
        ),
        short_help="List nodes: state, room, what is under way on them.",
        rich_help_panel=NODES,
    )(nodes)
    app.command(
        epilog=MOVE_EPILOG,
        short_help="Migrate containers to another node.",
        rich_help_panel=NODES,
    )(move)
    app.command(
        epilog=epilog("phoenix-lxc drain pve2", codes=_CODES),
        short_help="Have a node take no new containers.",
        rich_help_panel=NODES,
    )(drain)
    app.command(
        epilog=epilog("phoenix-lxc undrain pve2", codes=_CODES),
        short_help="Have a drained node take new containers again.",
        rich_help_panel=NODES,
    )(undrain)


def nodes(context: typer.Context, *, timeout: Timeout = None, as_json: AsJson = False) -> None:
    """List the nodes of the cluster: state, CPU and memory, what is reserved and being made on each, its templates.

    A node is drained with `phoenix-lxc drain`; one in Proxmox's HA maintenance
    takes no new containers either. CPU and memory need Sys.Audit on /nodes.
    """
    with talking(context) as producer:
        found = awaited(context, producer.nodes(), timeout)
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
    else:
        typer.echo("\n".join(node_lines(found, terminal_width())))


def drain(context: typer.Context, node: NodeArgument, *, timeout: Timeout = None, as_json: AsJson = False) -> None:
    """Have a node take no new containers. What stands there stays there and is worked on as before."""
    _change(context, Producer.drain, node, timeout, as_json=as_json)


def undrain(context: typer.Context, node: NodeArgument, *, timeout: Timeout = None, as_json: AsJson = False) -> None:
    """Have a drained node take new containers again. HA maintenance is ended in Proxmox."""
    _change(context, Producer.undrain, node, timeout, as_json=as_json)


def _change(
    context: typer.Context,
    ask: Callable[[Producer, str], Handle[Drained]],
    node: str,
    timeout: float | None,
    *,
    as_json: bool,
) -> None:
    with talking(context) as producer:
        told = awaited(context, ask(producer, node), timeout)
    if as_json:
        print_json(told.model_dump(mode="json"))
    else:
        typer.echo(plain_line(_words(told)))


def _words(told: Drained) -> str:
    if not told.drained:
        return f"{told.node}  takes new containers{' again' if told.changed else '; it was not drained'}"
    if told.changed:
        return f"{told.node}  drained: takes no new containers"
    since = "" if told.at is None else f" since {time_of_day(told.at)}"
    return f"{told.node}  was drained already{since}{f' by {told.by}' if told.by else ''}"
