"""Commands that become `celery -A …`: what they are given besides is passed on to it."""

# No postponed annotations here: typer reads them when a command runs.
import os
import sys
from typing import Annotated, Any, NoReturn

import typer

from phoenix_producer.cli import celery_process
from phoenix_producer.cli.completion import REDIS_CA_FILE, REDIS_URL
from phoenix_producer.client.redis_url import REDIS_CA_FILE_VARIABLE, REDIS_URL_VARIABLE

PASSED_ON: dict[str, Any] = {
    "ignore_unknown_options": True,
    "allow_interspersed_args": True,
    # With a short one, the h in -nhost1 would be taken for it.
    "help_option_names": ["--help"],
}
"""The context settings of such a command."""

Options = Annotated[list[str] | None, typer.Argument(metavar="OPTION", show_default=False, help="Passed on to Celery.")]


def become_celery(context: typer.Context, app: str, *words: str) -> NoReturn:
    """Run `celery -A APP WORDS` in place of this process, with the Redis that `phoenix-lxc` itself was given.

    Signals reach it as they reach this process, and its exit code is its own.
    """
    if "-h" in words:
        typer.echo(context.get_help())
        raise typer.Exit
    top = context.find_root()
    for option, variable in ((REDIS_URL, REDIS_URL_VARIABLE), (REDIS_CA_FILE, REDIS_CA_FILE_VARIABLE)):
        if getattr(top.get_parameter_source(option), "name", "") == "COMMANDLINE":
            os.environ[variable] = top.params[option]
    sys.stdout.flush()
    # -P: no module is imported from the working directory.
    program = [sys.executable, "-P", "-m", celery_process.__name__, "-A", app, *words]
    os.execv(sys.executable, program)  # noqa: S606 - no shell
