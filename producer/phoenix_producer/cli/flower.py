"""`phoenix-lxc flower`: Flower on this Redis, by default on loopback."""

# No postponed annotations here: typer reads them when a command runs.
import os
from importlib.util import find_spec
from typing import NoReturn

import typer

from phoenix_producer.cli.celery_command import PASSED_ON, Options, become_celery
from phoenix_producer.cli.help_texts import epilog
from phoenix_producer.cli.session import BAD_INPUT
from phoenix_producer.cli.terminal import complain
from phoenix_producer.client.channel import LoginRefused, NoSuchDatabase
from phoenix_producer.client.reaching import insist_on_login
from phoenix_producer.client.secret_files import secret
from phoenix_producer.contract import ContractError

# Celery would only say that it has no such command.
if find_spec("flower") is None:
    raise ModuleNotFoundError("No module named 'flower'", name="flower")

LOGIN_VARIABLE = "FLOWER_BASIC_AUTH"
DEFAULTS = {
    "FLOWER_ADDRESS": "127.0.0.1",
    "FLOWER_TASKS_COLUMNS": "name,args,state,result,exception,received,runtime,worker,uuid",
}
"""Flower reads its options from the environment first, so that whatever else gives them comes before these."""

app = typer.Typer(
    invoke_without_command=True,
    context_settings=PASSED_ON,
    subcommand_metavar="",
    short_help="Start Flower, which shows workers and tasks.",
    epilog=epilog(
        "phoenix-lxc flower",
        "phoenix-lxc flower --port=8888",
        codes="0 it was stopped; 1 Flower refuses an option; 2 wrong usage or settings.",
    ),
)


@app.callback()
def flower(context: typer.Context, options: Options = None) -> None:
    """Start Flower: `celery -A phoenix_producer.monitor flower`, on this machine only unless you say otherwise.

    It needs Redis and no secret of the workers. Options are those of Flower;
    FLOWER_BASIC_AUTH has its login (USER:PASSWORD), or FLOWER_BASIC_AUTH_FILE
    names a file with it. To list Flower's options:

        phoenix-lxc flower -- --help
    """
    try:
        login = secret(os.environ, LOGIN_VARIABLE)
        insist_on_login(context.obj())
    except (ContractError, LoginRefused, NoSuchDatabase) as error:
        _refuse(error)
    if login is not None:
        if not is_login(login):
            _refuse(
                f"{LOGIN_VARIABLE} is not a login: write USER:PASSWORD in one line of ASCII, without a comma,"
                " which separates several of them."
            )
        os.environ[LOGIN_VARIABLE] = login
    for name, value in DEFAULTS.items():
        os.environ[name] = os.environ.get(name) or value
    become_celery(context, "phoenix_producer.monitor", "flower", *(options or ()))


def is_login(text: str) -> bool:
    """Tell whether Flower asks for all of this: it splits it at each comma, and compares ASCII alone."""
    logins = (one.partition(":") for one in text.split(","))
    return text.isascii() and text.isprintable() and all(user and password for user, _, password in logins)


def _refuse(why: object) -> NoReturn:
    complain(why)
    raise typer.Exit(BAD_INPUT)
