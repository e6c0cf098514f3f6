"""`phoenix-lxc jobs`, `locks` and `cancel`. The first two read Redis themselves: no worker has to run."""

# No postponed annotations here: typer reads them when a command runs.
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console

from phoenix_producer.cli.ctid_argument import ctid as read_ctid
from phoenix_producer.cli.help_texts import ONE_DOCUMENT, SECONDS, WAIT_FOR_ANSWER, epilog
from phoenix_producer.cli.session import FAILED, Following, print_json, reading, talking
from phoenix_producer.cli.tables import job_lines, lock_lines, story_lines
from phoenix_producer.cli.terminal import Lines, Nothing, complain, outcome_lines, redraws, terminal_width, warnings_in
from phoenix_producer.cli.timeline import timeline
from phoenix_producer.cli.watched_jobs import watch
from phoenix_producer.cli.without_workers import late_notice, waited
from phoenix_producer.client.handle import Handle, Handles
from phoenix_producer.client.link import Link
from phoenix_producer.contract import Cancelled, EnsureFailed, EnsureResult, Failure, Progress, Step
from phoenix_producer.ledger.entries import ENDED, Job, JobState, Wanted
from phoenix_producer.ledger.view import LedgerView

AsJson = Annotated[bool, typer.Option("--json", help=ONE_DOCUMENT)]
JobName = Annotated[
    str, typer.Argument(metavar="JOB", show_default=False, help="The job's id, or the beginning of it.")
]
JobNames = Annotated[
    list[str], typer.Argument(metavar="JOB", show_default=False, help="Ids of jobs, or beginnings of ids.")
]

_VERDICTS = {
    Cancelled.CANCELLED: "cancelled; its requester gets a failure with the cause cancelled",
    Cancelled.DETACHED: "cancelled for its requester; the work continues for others who requested the same",
    Cancelled.OVER: "has already ended; nothing was changed",
    Cancelled.UNKNOWN: "is unknown: no such job, or it ended more than a week ago",
}
_NOBODY_CANCELS = (
    "No worker is running, and only a worker can cancel a job. The cancellation waits in Redis behind the request "
    "itself: the next worker may begin the job before it cancels it."
)
_NONE = "No jobs were found."
_NONE_UNDER_WAY = "No jobs are under way. Add --all for those that ended in the last week."
_STOPPED = (Cancelled.CANCELLED, Cancelled.DETACHED)

CANCEL_EPILOG = epilog(
    "phoenix-lxc cancel 5b0e2f0a",
    codes="0 success; 1 one had already ended, is unknown, or was not answered in time; 2 wrong usage, or the "
    "beginning matches no id or several; 130 Ctrl-C: workers still cancel them.",
)
LOCKS_EPILOG = epilog("phoenix-lxc locks", codes="0 success; 1 Redis cannot be used; 2 wrong usage.")

jobs_group = typer.Typer(
    invoke_without_command=True,
    epilog=epilog(
        "phoenix-lxc jobs",
        "phoenix-lxc jobs --watch",
        "phoenix-lxc jobs --all --ctid 103",
        "phoenix-lxc jobs --state failed --json",
        "phoenix-lxc jobs show 5b0e2f0a",
        codes="0 success; 1 Redis cannot be used; 2 wrong usage.",
    ),
)


@jobs_group.callback()
def jobs(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context,
    *,
    every: Annotated[bool, typer.Option("--all", help="List also those that ended in the last week.")] = False,
    ctid: Annotated[
        int | None, typer.Option(parser=read_ctid, metavar="CTID", help="List only those of this CTID.")
    ] = None,
    state: Annotated[
        JobState | None, typer.Option(metavar="STATE", help=f"List only those in this state: {', '.join(JobState)}.")
    ] = None,
    requester: Annotated[
        str | None, typer.Option(metavar="TEXT", help="List only those whose requester's name has this text.")
    ] = None,
    cause: Annotated[
        str | None, typer.Option(metavar="CAUSE", help="List only those that failed with this cause.")
    ] = None,
    looks: Annotated[
        bool, typer.Option("--looks", help="With --all, list also those that only looked, such as status and plan.")
    ] = False,
    watched: Annotated[bool, typer.Option("--watch", "-w", help="Keep the list up to date until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """List jobs: the state of each, what it waits for and since when; of those that ended, how and when.

    --cause, and --state with a state of ended jobs, list these without --all.
    --all leaves out ended jobs that only looked (status, drift, plan, templates,
    nodes): add --looks.
    """
    if context.invoked_subcommand is not None:
        return
    wanted = Wanted(ctid, state, requester, cause)
    with reading(context) as link:
        view = LedgerView(link.look)

        def look() -> list[Job]:
            found = [job for job in view.jobs(ended=every or wanted.are_ended) if wanted.has(job)]
            return found if looks or wanted.are_ended else [job for job in found if not job.is_past_look]

        def ended(job_id: str) -> Job | None:
            job = view.job(job_id)
            stays = job is not None and job.state in ENDED and wanted.has(job) and (looks or not job.is_past_look)
            return job if stays else None

        if watched:
            watch(look, ended, _terminal(as_json=as_json))
        found = look()
    if as_json:
        print_json([asdict(job) for job in found])
    else:
        none = _NONE if every or wanted.are_ended else _NONE_UNDER_WAY
        typer.echo("\n".join(job_lines(found, terminal_width())) if found else none)


def _terminal(*, as_json: bool) -> Console:
    if as_json or not redraws(sys.stdout):
        raise typer.BadParameter("It needs a terminal. For programs: --json, once in a while.", param_hint="--watch")
    return Console(highlight=False, force_terminal=True)


@jobs_group.command(
    epilog=epilog(
        "phoenix-lxc jobs show 5b0e2f0a",
        "phoenix-lxc jobs show 5b0e2f0a --follow",
        codes="0 success; 1 unknown job, or with --follow one that fails; 2 wrong usage, or the beginning matches no "
        "id or several; 130 Ctrl-C: the job goes on.",
    ),
    short_help="Print the history of a job, its steps and its end.",
)
def show(
    context: typer.Context,
    job: JobName,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show what happens until the job ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the history of a job, its steps, when each was done, and how it ended."""
    with reading(context) as link:
        view = LedgerView(link.look)
        job_id = _complete(view, job)
        if follow and view.job(job_id) is not None:
            _follow(context, link, job_id, view.history(job_id), as_json=as_json)
        found, history, steps = view.job(job_id), view.history(job_id), view.steps(job_id)
        answer = _answer(link, job_id)
        outcome = _outcome(link, job_id, answer)
    if found is None:
        complain(f"Job {job_id} is unknown: no such job, or it ended more than a week ago.")
        raise typer.Exit(FAILED)
    if as_json:
        told = [one.model_dump(mode="json") for one in history]
        done = [one.model_dump(mode="json") for one in steps]
        print_json({**asdict(found), "history": told, "steps": done, "answer": answer})
    else:
        typer.echo("\n".join(story_lines(found, () if follow else history, steps)))
        _tell_the_end(found, steps, outcome)
    raise typer.Exit(FAILED if follow and isinstance(outcome, Failure) else 0)


def _follow(context: typer.Context, link: Link, job_id: str, history: Sequence[Progress], *, as_json: bool) -> None:
    """Print a line for each thing that happened and happens, until the job ends."""
    subject = history[0].ctid if history else None
    handles = Handles(link, [Handle(link, job_id, subject, EnsureResult.model_validate)])
    with late_notice(context, [job_id]) as answered:
        waited(context, [job_id], Following(handles, Nothing() if as_json else Lines(handles), answered), None)


def _tell_the_end(job: Job, steps: Sequence[Step], outcome: EnsureResult | Failure | None) -> None:
    if job.ended and len(steps) > 1:
        console = Console(highlight=False)
        console.print(timeline(steps, console))
    if outcome is not None:
        typer.echo("\n".join(outcome_lines(outcome)))
        for warning in warnings_in([outcome]):
            complain(warning)


def locks(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List locks, their owners and who waits for them: of CTIDs, and of the places on each node.

    A place on a node is the right to have Proxmox create or clone a container there.
    """
    with reading(context) as link:
        found = LedgerView(link.look).locks()
    if as_json:
        print_json([asdict(lock) for lock in found])
    else:
        typer.echo("\n".join(lock_lines(found, terminal_width())) if found else "No locks are held.")


def cancel(
    context: typer.Context,
    names: JobNames,
    *,
    timeout: Annotated[float | None, typer.Option(min=0, metavar=SECONDS, help=WAIT_FOR_ANSWER)] = None,
) -> None:
    """Stop jobs: half-made containers are removed, locks are released, and the requesters get a failure.

    A job that several requested stops when the last of them has cancelled it.
    This takes a running worker; without one the cancellation waits in Redis
    behind the request itself.
    """
    with reading(context) as link:
        view = LedgerView(link.look)
        ids = [_complete(view, name) for name in names]
    with talking(context) as producer:
        handles = {job_id: producer.cancel(job_id) for job_id in dict.fromkeys(ids)}
        sent = [handle.id for handle in handles.values()]
        with late_notice(context, sent, no_worker=_NOBODY_CANCELS, timeout=timeout):
            verdicts = {job_id: waited(context, sent, handle.wait, timeout) for job_id, handle in handles.items()}
    for job_id, verdict in verdicts.items():
        typer.echo(f"{job_id}  {_VERDICTS[verdict]}", err=verdict not in _STOPPED)
    raise typer.Exit(0 if all(verdict in _STOPPED for verdict in verdicts.values()) else FAILED)


def _complete(view: LedgerView, name: str) -> str:
    """Complete the beginning of an id; a whole one may be older than what Redis remembers."""
    try:
        return str(UUID(name))
    except ValueError:
        return view.find(name)


def _answer(link: Link, job_id: str) -> Any:
    answer = link.answer(job_id)
    return None if answer is None else answer["result"]


def _outcome(link: Link, job_id: str, answer: Any) -> EnsureResult | Failure | None:
    """Read how an ensure ended; other requests end with what they were asked."""
    handle = Handle(link, job_id, None, EnsureResult.model_validate)
    if not isinstance(answer, dict) or not {"outcome", "exc_type"} & answer.keys():
        return None
    try:
        return handle.wait(0)
    except EnsureFailed as error:
        return error.failure
