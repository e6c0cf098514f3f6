"""`phoenix-lxc templates`."""

# No postponed annotations here: typer reads them when a command runs.
from typing import Annotated

import typer

from phoenix_producer.cli.help_texts import ONE_DOCUMENT, SECONDS, WAIT_FOR_ANSWER, epilog
from phoenix_producer.cli.session import FAILED, print_json, talking
from phoenix_producer.cli.terminal import complain, warnings_in
from phoenix_producer.cli.trees import TemplateLines
from phoenix_producer.cli.without_workers import awaited
from phoenix_producer.standing import Exists

EPILOG = epilog(
    "phoenix-lxc templates",
    "phoenix-lxc templates --json",
    codes="0 success; 1 one cannot be read; 2 wrong usage; 130 Ctrl-C.",
)


def templates(
    context: typer.Context,
    *,
    timeout: Annotated[float | None, typer.Option(min=0, metavar=SECONDS, help=WAIT_FOR_ANSWER)] = None,
    as_json: Annotated[bool, typer.Option("--json", help=ONE_DOCUMENT)] = False,
) -> None:
    """Print each template with its copies: node, storage, size, hash, whether it is outdated, how many clones wait."""
    with talking(context) as producer:
        found = awaited(context, producer.templates(), timeout)
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
    else:
        typer.echo("\n".join(TemplateLines()(found)) if found else "The catalog has no templates.")
        for warning in warnings_in(found):
            complain(warning)
    raise typer.Exit(FAILED if any(one.exists is Exists.UNKNOWN for one in found) else 0)
