"""`phoenix-lxc token`: who may ask `phoenix-lxc serve`."""

# No postponed annotations here: typer reads them when a command runs.
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from phoenix_producer.cli.ctid_argument import ctid as read_ctid
from phoenix_producer.cli.help_texts import ONE_DOCUMENT, epilog
from phoenix_producer.cli.session import BAD_INPUT, print_json
from phoenix_producer.cli.terminal import complain
from phoenix_producer.contract import ContractError
from phoenix_producer.http.tokens import TOKENS_VARIABLE, Role, TokenFile, default_path
from phoenix_producer.plain_text import plain_line

TokensPath = Annotated[
    Path | None,
    typer.Option(
        "--tokens",
        metavar="FILE",
        envvar=TOKENS_VARIABLE,
        show_default=False,
        help="Use this file, not tokens.json in ~/.config/phoenix-lxc.",
    ),
]
_CODES = "0 success; 2 wrong usage, or the file cannot be used."

app = typer.Typer(
    no_args_is_help=True,
    short_help="Make, list and revoke tokens for serve.",
    help="Make, list and revoke tokens for phoenix-lxc serve. The file has their hashes alone.",
)


@app.command(epilog=epilog("phoenix-lxc token add billing --role requester --ctid 103 --ctid 104", codes=_CODES))
def add(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Whose it is; the job list shows it.", show_default=False)
    ],
    *,
    role: Annotated[Role, typer.Option(metavar="|".join(Role), help="What it may do.")] = Role.VIEWER,
    ctid: Annotated[
        list[int] | None,
        typer.Option(
            parser=read_ctid,
            metavar="CTID",
            help="Let a requester ask for this CTID alone. Can be given several times.",
        ),
    ] = None,
    tokens: TokensPath = None,
) -> None:
    """Make a token and print it, once: it cannot be shown again."""
    with _explaining():
        TokenFile(tokens or default_path()).add(name, role, tuple(dict.fromkeys(ctid or ())), _print)


def _print(secret: str) -> None:
    typer.echo(secret)
    sys.stdout.flush()


@app.command("list", epilog=epilog("phoenix-lxc token list", codes=_CODES))
def list_tokens(
    *, as_json: Annotated[bool, typer.Option("--json", help=ONE_DOCUMENT)] = False, tokens: TokensPath = None
) -> None:
    """List the tokens: name, role, CTIDs, and when each was made."""
    with _explaining():
        path = tokens or default_path()
        known = TokenFile(path).tokens()
    if as_json:
        print_json([one.model_dump(mode="json", exclude={"sha256"}) for one in known])
        return
    if not known:
        typer.echo(plain_line(f"There are no tokens in {path}."))
    for one in known:
        named = ", ".join(map(str, one.ctids))
        typer.echo(plain_line(f"{one.name}  {one.role}{f' of {named}' if named else ''}  {one.created}"))


@app.command(epilog=epilog("phoenix-lxc token revoke billing", codes=_CODES))
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name that it was made with.", show_default=False)],
    *,
    tokens: TokensPath = None,
) -> None:
    """Remove a token: from now on it is refused, event streams included."""
    with _explaining():
        TokenFile(tokens or default_path()).revoke(name)


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except ContractError as error:
        complain(error)
        raise typer.Exit(BAD_INPUT) from None
