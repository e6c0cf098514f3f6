"""The command `phoenix-lxc`. Commands that need the worker's code plug themselves in, see `plugins.py`."""

# No postponed annotations here: typer reads them when a command runs.
import logging
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from phoenix_producer.cli import (
    help_texts,
    job_commands,
    node_commands,
    setup_commands,
    template_commands,
    upkeep_commands,
)
from phoenix_producer.cli.completion import RedisCaFile, RedisUrl, redis_of
from phoenix_producer.cli.completion import ctids as ctids_offered
from phoenix_producer.cli.ctid_argument import ctid as read_ctid
from phoenix_producer.cli.help_columns import leave_out_types
from phoenix_producer.cli.help_texts import CONTAINERS, JOBS, SET_UP, TEMPLATES, epilog
from phoenix_producer.cli.plugins import PluggableGroup
from phoenix_producer.cli.session import (
    DIFFERS,
    FAILED,
    answers_of,
    conclude,
    looked_at,
    print_json,
    talking,
)
from phoenix_producer.cli.tables import standing_lines
from phoenix_producer.cli.terminal import complain, outcome_lines, terminal_width, warnings_in
from phoenix_producer.cli.trees import DriftLines, PlanLines
from phoenix_producer.cli.without_workers import awaited
from phoenix_producer.client.handle import Handles
from phoenix_producer.client.producer import Producer
from phoenix_producer.client.redis_url import DEFAULT_REDIS_URL
from phoenix_producer.contract import LONGEST_WAIT_FOR_ADDRESS, DesiredState, EnsureResult
from phoenix_producer.plans import Plan
from phoenix_producer.standing import Exists

leave_out_types()
app = typer.Typer(
    cls=PluggableGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success, including no changes; 1 failed; 2 wrong usage or bad input, nothing was begun; "
    "130 Ctrl-C, the jobs go on. COMMAND --help has more, with examples.",
)

Ctids = Annotated[
    list[int] | None,
    typer.Argument(
        metavar="CTID",
        parser=read_ctid,
        show_default=False,
        help=help_texts.CTIDS,
        autocompletion=ctids_offered,
    ),
]
Every = Annotated[
    bool, typer.Option("--all", help="Take every container of the catalog; templates as they are needed.")
]
AcceptNotApplied = Annotated[
    bool,
    typer.Option("--accept-not-applied", help=help_texts.ACCEPT_NOT_APPLIED),
]
Timeout = Annotated[float | None, typer.Option(min=0, metavar=help_texts.SECONDS, help=help_texts.WAIT_FOR_JOBS)]
LookTimeout = Annotated[
    float | None, typer.Option("--timeout", min=0, metavar=help_texts.SECONDS, help=help_texts.WAIT_FOR_ANSWER)
]
ExitCode = Annotated[bool, typer.Option("--exit-code", help="Exit with 2 instead of 0 if something differs.")]
AsJson = Annotated[bool, typer.Option("--json", help=help_texts.EVERY_RESULT)]

_NO_CONTAINERS = "The catalog declares no containers."


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        typer.echo(f"phoenix-lxc {version('phoenix-lxc')}")
        raise typer.Exit


@app.callback()
def phoenix_lxc(
    context: typer.Context,
    *,
    _redis_url: RedisUrl = DEFAULT_REDIS_URL,
    _redis_ca_file: RedisCaFile = None,
    _version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Ensure that Proxmox LXC containers exist, configured and running as the catalog declares.

    Requests reach the workers through Redis: set PHOENIX_REDIS_URL to theirs.
    This command needs nothing else and reads no .env; only the workers have
    the catalog and access to Proxmox.

    To print what would be done, then do it:

        phoenix-lxc plan --all
        phoenix-lxc ensure 103

    To watch it work without a Redis and a Proxmox:

        phoenix-lxc demo
    """
    logging.getLogger("celery").addHandler(logging.NullHandler())
    # Read by the commands that talk with Redis: only they fail of it, each with its own exit code.
    context.obj = lambda: redis_of(context)


def _within_an_hour(seconds: int | None) -> int | None:
    # A range of typer's own would be shown beside the metavar, and cut the name of a longer option at 80 columns.
    if seconds is not None and not 1 <= seconds <= LONGEST_WAIT_FOR_ADDRESS:
        raise typer.BadParameter(f"{seconds} is not between 1 and {LONGEST_WAIT_FOR_ADDRESS}.")
    return seconds


@app.command(
    epilog=epilog(
        "phoenix-lxc ensure 103",
        "phoenix-lxc ensure --all --timeout 600 --json",
        codes="0 success, including no changes; 1 one failed, or has not ended in time; 2 wrong usage, or the catalog "
        "has none of the CTIDs: nothing was begun; 130 Ctrl-C: the jobs go on.",
    ),
    short_help="Create, configure and start containers as declared.",
    rich_help_panel=CONTAINERS,
)
def ensure(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context,
    ctids: Ctids = None,
    *,
    every: Every = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over what exists at a CTID without a marker of phoenix-lxc.")
    ] = False,
    accept_not_applied: AcceptNotApplied = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=help_texts.DRY_RUN)] = False,
    state: Annotated[
        DesiredState | None,
        typer.Option(metavar="STATE", help="Use this state instead of the catalog's: running or stopped."),
    ] = None,
    rerun: Annotated[
        list[str] | None,
        typer.Option(metavar="FEATURE", help="Run the script of this feature again. Can be given several times."),
    ] = None,
    wait_for_address: Annotated[
        int | None,
        typer.Option(
            callback=_within_an_hour,
            metavar=help_texts.SECONDS,
            help="Wait for an address from DHCP or SLAAC, and fail if there is none after this many seconds.",
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until the jobs end, or print the request ids and exit.")
    ] = True,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Create, configure and start containers as the catalog declares; build the templates that they need.

    Safe to repeat: what is already as declared is not changed.
    """
    named = _named(ctids, every=every)
    with talking(context) as producer:
        handles = producer.ensure_many(
            named or _declared(producer, context, timeout, as_json=as_json),
            adopt=adopt,
            accept_not_applied=accept_not_applied,
            dry_run=dry_run,
            state=state,
            rerun=rerun or (),
            wait_for_address=wait_for_address,
        )
        if not wait:
            _print_requests(handles, as_json=as_json)
            return
        answers = answers_of(handles, context, timeout, as_json=as_json)
    conclude(answers, outcome_lines, as_json=as_json)


@app.command(
    epilog=epilog(
        "phoenix-lxc plan 103",
        "phoenix-lxc plan --all --json",
        codes="0 success; 1 an ensure would be refused, or cannot be planned; 2 wrong usage, or the catalog has "
        "none of the CTIDs; 130 Ctrl-C. With --exit-code, 2 also says that something would be done.",
    ),
    short_help="Print what ensure would do; change nothing.",
    rich_help_panel=CONTAINERS,
)
def plan(
    context: typer.Context,
    ctids: Ctids = None,
    *,
    every: Every = False,
    accept_not_applied: AcceptNotApplied = False,
    timeout: LookTimeout = None,
    exit_code: ExitCode = False,
    as_json: AsJson = False,
) -> None:
    """Print exactly what `ensure` would do, dependencies and templates included; change nothing."""
    named = _named(ctids, every=every)
    with talking(context) as producer:
        asked = producer.plan_all(named, accept_not_applied=accept_not_applied)
        answers = looked_at(context, asked, timeout)
    if not answers and not as_json:
        typer.echo(_NO_CONTAINERS)
    differs = exit_code and any(isinstance(answer, Plan) and answer.lines for answer in answers)
    conclude(answers, PlanLines(answers), as_json=as_json, differs=differs)


@app.command(
    epilog=epilog(
        "phoenix-lxc drift",
        "phoenix-lxc drift 103 900 --json",
        codes="0 success; 1 something at a CTID is not managed by phoenix-lxc, or cannot be read; 2 wrong usage, or "
        "the catalog lacks one of the CTIDs; 130 Ctrl-C. With --exit-code, 2 also says that something differs, also "
        "in a way that ensure cannot change, or waits for a restart.",
    ),
    short_help="Print how existing containers differ; change nothing.",
    rich_help_panel=CONTAINERS,
)
def drift(
    context: typer.Context,
    ctids: Ctids = None,
    *,
    accept_not_applied: AcceptNotApplied = False,
    timeout: LookTimeout = None,
    exit_code: ExitCode = False,
    as_json: AsJson = False,
) -> None:
    """Print how existing containers differ from the catalog; change nothing. Without CTIDs, all of the catalog."""
    with talking(context) as producer:
        drifts = looked_at(context, producer.drift(ctids or (), accept_not_applied=accept_not_applied), timeout)
    if as_json:
        print_json([one.model_dump(mode="json") for one in drifts])
    else:
        typer.echo("\n".join(DriftLines()(drifts)))
        for warning in warnings_in(drifts):
            complain(warning)
    if any(one.problem for one in drifts):
        raise typer.Exit(FAILED)
    raise typer.Exit(DIFFERS if exit_code and any(one.differs for one in drifts) else 0)


@app.command(
    epilog=epilog(
        "phoenix-lxc status",
        "phoenix-lxc status 103 900 --json",
        codes="0 success; 1 one cannot be read; 2 wrong usage, or the catalog lacks one of the CTIDs; 130 Ctrl-C.",
    ),
    short_help="Print what exists and what runs; change nothing.",
    rich_help_panel=CONTAINERS,
)
def status(
    context: typer.Context, ctids: Ctids = None, *, timeout: LookTimeout = None, as_json: AsJson = False
) -> None:
    """Print what exists, what runs and what is not as declared. Without CTIDs, all of the catalog."""
    with talking(context) as producer:
        standings = looked_at(context, producer.status(ctids or ()), timeout)
    if as_json:
        print_json([standing.model_dump(mode="json") for standing in standings])
    else:
        typer.echo("\n".join(standing_lines(standings, terminal_width())) if standings else "The catalog is empty.")
        for warning in warnings_in(standings):
            complain(warning)
    raise typer.Exit(FAILED if any(one.exists is Exists.UNKNOWN for one in standings) else 0)


app.command(
    epilog=upkeep_commands.DESTROY_EPILOG,
    short_help="Delete containers that phoenix-lxc manages, with their disks.",
    rich_help_panel=CONTAINERS,
)(upkeep_commands.destroy)
app.command(
    epilog=upkeep_commands.REBUILD_EPILOG,
    short_help="Build templates again and replace the old ones.",
    rich_help_panel=TEMPLATES,
)(upkeep_commands.rebuild)
app.command(epilog=template_commands.EPILOG, short_help="Print templates and their copies.", rich_help_panel=TEMPLATES)(
    template_commands.templates
)
app.command(
    epilog=upkeep_commands.ADOPT_EPILOG,
    short_help="Take over containers that another tool made.",
    rich_help_panel=CONTAINERS,
)(upkeep_commands.adopt)
node_commands.add_to(app)
app.command(epilog=job_commands.CANCEL_EPILOG, short_help="Stop jobs and clean up after them.", rich_help_panel=JOBS)(
    job_commands.cancel
)
app.command(
    epilog=job_commands.LOCKS_EPILOG,
    short_help="List locks, their owners and who waits for them.",
    rich_help_panel=JOBS,
)(job_commands.locks)
app.add_typer(
    job_commands.jobs_group,
    name="jobs",
    short_help="List jobs: their state and what they wait for.",
    rich_help_panel=JOBS,
)
app.add_typer(
    setup_commands.setup_group,
    name="setup",
    short_help="Print systemd units, or the man page.",
    rich_help_panel=SET_UP,
)


def _declared(producer: Producer, context: typer.Context, timeout: float | None, *, as_json: bool) -> Sequence[int]:
    declared = awaited(context, producer.containers(), timeout)
    if not declared and not as_json:
        typer.echo(_NO_CONTAINERS)
    return declared


def _named(ctids: Sequence[int] | None, *, every: bool) -> list[int]:
    """Return the CTIDs of the command line, each once; none for all."""
    if bool(ctids) == every:
        raise typer.BadParameter("Give one or more CTIDs, or --all; not both.", param_hint="CTID")
    return list(dict.fromkeys(ctids or ()))


def _print_requests(handles: Handles[EnsureResult], *, as_json: bool) -> None:
    if as_json:
        print_json([{"ctid": handle.ctid, "request_id": handle.id} for handle in handles])
        return
    for handle in handles:
        typer.echo(f"{handle.ctid}  {handle.id}")
