"""`phoenix-lxc worker`: a worker, as `celery -A phoenix_worker worker` starts it."""

# No postponed annotations here: typer reads them when a command runs.
from importlib.util import find_spec

import typer

from phoenix_producer.cli.celery_command import PASSED_ON, Options, become_celery
from phoenix_producer.cli.help_texts import epilog

# Missed here, the help says what to install.
for library in ("paramiko", "proxmoxer", "pydantic_settings"):
    if find_spec(library) is None:
        raise ModuleNotFoundError(f"No module named {library!r}", name=library)

app = typer.Typer(
    invoke_without_command=True,
    context_settings=PASSED_ON,
    subcommand_metavar="",
    short_help="Start a worker, which serves requests.",
    epilog=epilog(
        "cd /etc/phoenix && phoenix-lxc worker",
        "phoenix-lxc worker --concurrency 32 --hostname second@%h",
        codes="0 it was stopped; 2 wrong usage or settings.",
    ),
)


@app.callback()
def worker(context: typer.Context, options: Options = None) -> None:
    """Start a worker: `celery -A phoenix_worker worker --loglevel INFO`. Any number of them, on any machines.

    It reads the settings PHOENIX_*, also from .env in this directory. Options
    are those of Celery's worker. To list them:

        phoenix-lxc worker -- --help
    """
    become_celery(context, "phoenix_worker", "worker", "--loglevel", "INFO", *(options or ()))
