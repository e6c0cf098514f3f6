"""`phoenix-lxc serve`: the HTTP door, in one process."""

# No postponed annotations here: typer reads them when a command runs.
import re
import socket
from typing import Annotated

import typer

from phoenix_producer.cli.help_texts import epilog
from phoenix_producer.cli.session import BAD_INPUT, FAILED
from phoenix_producer.cli.terminal import complain
from phoenix_producer.client.channel import LoginRefused, NoSuchDatabase
from phoenix_producer.client.reaching import insist_on_login
from phoenix_producer.contract import ContractError
from phoenix_producer.http.guard import Door
from phoenix_producer.http.rates import PER_SECOND, Rates
from phoenix_producer.http.server import application
from phoenix_producer.http.server import serve as serve_http
from phoenix_producer.http.this_machine import is_loopback
from phoenix_producer.http.token_command import TokensPath
from phoenix_producer.http.tokens import TokenFile, default_path

PORT = 8420
_ROOT_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*")
_OWN = ("/v1/", "/static/")

app = typer.Typer(
    invoke_without_command=True, subcommand_metavar="", short_help="Serve HTTP for programs, and a page for people."
)


@app.callback(
    epilog=epilog(
        "phoenix-lxc serve",
        "phoenix-lxc serve --host 10.0.0.5 --root-path /phoenix",
        codes="1 the address cannot be used; 2 wrong usage, a login that Redis refuses, or no tokens and an "
        "address that others reach; 130 Ctrl-C.",
    )
)
def serve(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Listen at this address.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="Listen at this port; 0 takes a free one.")
    ] = PORT,
    root_path: Annotated[
        str, typer.Option(metavar="PATH", help="Say under which path a proxy offers it, such as /phoenix.")
    ] = "",
    rate: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="Let a token make at most this many requests a second.")
    ] = PER_SECOND,
    tokens: TokensPath = None,
) -> None:
    """Serve requests, results and events over HTTP, and a page that shows them, without secrets of Proxmox.

    Without tokens (phoenix-lxc token add) it listens on this machine only.
    It speaks plain HTTP: put a proxy with TLS before it on a network.
    """
    if not host.strip():
        raise typer.BadParameter(
            "It is empty. Name an address of this machine, such as 127.0.0.1.", param_hint="--host"
        )
    if not _ROOT_PATH.fullmatch(root_path):
        raise typer.BadParameter("It is a path without a slash at its end, such as /phoenix.", param_hint="--root-path")
    # A path that the proxy has stripped could not be told from one that it has left.
    if f"{root_path}/".startswith(_OWN):
        raise typer.BadParameter("The server begins paths of its own so. Take another path.", param_hint="--root-path")
    try:
        redis_url = context.obj()
        door = Door(TokenFile(tokens or default_path()))
        insist_on_login(redis_url)
    except (ContractError, LoginRefused, NoSuchDatabase) as error:
        complain(error)
        raise typer.Exit(BAD_INPUT) from None
    with _listener(host, port, only_here=door.is_open) as listener:
        address, bound, *_ = listener.getsockname()
        shown = f"[{address}]" if ":" in address else address
        url = f"http://{shown}:{bound}{root_path}/"
        typer.echo(f"Listening on {url} (page) and {url}v1/ (API)")
        serve_http(listener, application(redis_url, door, root_path), Rates(rate))


def _listener(host: str, port: int, *, only_here: bool) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if only_here and not is_loopback(str(address[0])):
            complain(
                f"Without tokens it listens on this machine only, not at {host}. Make one: phoenix-lxc token add NAME"
            )
            raise typer.Exit(BAD_INPUT)
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        complain(f"It cannot listen at {host} port {port}: {error.strerror or error}.")
        raise typer.Exit(FAILED) from None
