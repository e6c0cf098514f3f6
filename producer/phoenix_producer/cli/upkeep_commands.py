"""`phoenix-lxc destroy`, `rebuild`, `adopt` and `move`: what cannot be taken back is shown and confirmed first."""

# No postponed annotations here: typer reads them when a command runs.
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from pydantic import BaseModel

from phoenix_producer.cli.completion import ctids as ctids_offered
from phoenix_producer.cli.completion import template_ctids
from phoenix_producer.cli.ctid_argument import ctid as read_ctid
from phoenix_producer.cli.help_texts import (
    ACCEPT_NOT_APPLIED,
    CTIDS,
    DRY_RUN,
    EVERY_RESULT,
    SECONDS,
    WAIT_FOR_JOBS,
    epilog,
)
from phoenix_producer.cli.session import BAD_INPUT, INTERRUPTED, answers_of, conclude, talking
from phoenix_producer.cli.terminal import complain, outcome_lines, warnings_in
from phoenix_producer.cli.without_workers import awaited
from phoenix_producer.client.producer import Producer
from phoenix_producer.contract import EnsureResult, Failure, Outcome
from phoenix_producer.standing import Exists

AsJson = Annotated[bool, typer.Option("--json", help=EVERY_RESULT)]
_CTID: dict[str, Any] = {"metavar": "CTID", "parser": read_ctid, "show_default": False}
Ctids = Annotated[list[int], typer.Argument(help=CTIDS, autocompletion=ctids_offered, **_CTID)]
Templates = Annotated[list[int], typer.Argument(help="CTIDs of templates.", autocompletion=template_ctids, **_CTID)]
DryRun = Annotated[bool, typer.Option("--dry-run", help=DRY_RUN)]
Timeout = Annotated[float | None, typer.Option(min=0, metavar=SECONDS, help=WAIT_FOR_JOBS)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation; required without a terminal.")]

DESTROY_EPILOG = epilog(
    "phoenix-lxc destroy 103",
    "phoenix-lxc destroy 103 104 --yes",
    codes="0 success, including already absent; 1 one failed, or has not ended in time; 2 wrong usage, not confirmed, "
    "or the catalog has none of the CTIDs: nothing was begun; 130 Ctrl-C: the jobs go on.",
)

REBUILD_EPILOG = epilog(
    "phoenix-lxc rebuild 900 --dry-run",
    "phoenix-lxc rebuild 900 901",
    codes="0 success; 1 one failed, or has not ended in time; 2 wrong usage, or the catalog has none of the "
    "CTIDs: nothing was begun; 130 Ctrl-C: the jobs go on.",
)

MOVE_EPILOG = epilog(
    "phoenix-lxc move 103 --to pve2",
    "phoenix-lxc move 103 104 --to pve2 --restart",
    codes="0 success, including already there; 1 one is refused or failed, or has not ended in time; 2 wrong usage, or "
    "the catalog has none of the CTIDs: nothing was begun; 130 Ctrl-C: the jobs go on.",
)

ADOPT_EPILOG = epilog(
    "phoenix-lxc adopt --all --dry-run",
    "phoenix-lxc adopt 900 103 --yes",
    "phoenix-lxc adopt 900 --seal 900",
    codes="0 success, including already adopted; 1 one is refused or failed, or has not ended in time; 2 wrong usage, "
    "not confirmed, or the catalog has none of the CTIDs: nothing was begun; 130 Ctrl-C: the jobs go on.",
)


def destroy(
    context: typer.Context,
    ctids: Ctids,
    *,
    yes: Yes = False,
    dry_run: DryRun = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Delete containers and templates that phoenix-lxc manages, with their disks. The catalog is not changed.

    Only what carries its marker is deleted; what runs is shut down first.
    Clones go before their templates, in any order of CTIDs. Refused if other
    linked clones exist. Succeeds if already absent.
    """
    chosen = list(dict.fromkeys(ctids))
    _need_a_terminal(asked=not (yes or dry_run))
    with talking(context) as producer:
        if not yes or dry_run:
            foretold = answers_of(
                producer.destroy_many(chosen, dry_run=True), context, timeout, as_json=as_json, only_looks=True
            )
            if dry_run:
                conclude(foretold, _removal_lines, as_json=as_json)
            if _is_settled(foretold):
                conclude([*map(_as_done, foretold)], _removal_lines, as_json=as_json)
            _confirm_each(foretold)
        answers = answers_of(producer.destroy_many(chosen), context, timeout, as_json=as_json)
    conclude(answers, _removal_lines, as_json=as_json)


def somebody_is_there() -> bool:
    """Return True if stdin is a terminal, so that somebody can answer."""
    return sys.stdin.isatty()


def rebuild(
    context: typer.Context,
    ctids: Templates,
    *,
    accept_not_applied: Annotated[bool, typer.Option("--accept-not-applied", help=ACCEPT_NOT_APPLIED)] = False,
    dry_run: DryRun = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Build templates again from their declarations and replace the existing ones.

    Each is built at a scratch CTID (the workers' PHOENIX_SCRATCH_CTIDS) while
    the old one can still be cloned; only then it is replaced. Refused if
    linked clones exist. A template is built after those it is cloned from.
    Containers are not changed; `drift` names those of older builds.
    """
    with talking(context) as producer:
        chosen = list(dict.fromkeys(ctids))
        handles = producer.rebuild_many(chosen, accept_not_applied=accept_not_applied, dry_run=dry_run)
        answers = answers_of(handles, context, timeout, as_json=as_json)
    conclude(answers, outcome_lines, as_json=as_json)


def move(
    context: typer.Context,
    ctids: Ctids,
    *,
    to: Annotated[str, typer.Option("--to", metavar="NODE", show_default=False, help="The node to migrate to.")],
    restart: Annotated[
        bool, typer.Option("--restart", help="Stop what is running, migrate it and start it again.")
    ] = False,
    dry_run: DryRun = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Migrate containers and templates that phoenix-lxc manages to another node. The catalog is not changed.

    Proxmox stops a running container for as long as its disks are copied:
    without --restart it is refused. Linked clones on storage that the nodes
    do not share stay where their template is. `migrate CTID --to NODE` is
    the same.
    """
    with talking(context) as producer:
        handles = producer.migrate_many(list(dict.fromkeys(ctids)), to=to, restart=restart, dry_run=dry_run)
        answers = answers_of(handles, context, timeout, as_json=as_json)
    conclude(answers, outcome_lines, as_json=as_json)


def adopt(
    context: typer.Context,
    ctids: Annotated[list[int] | None, typer.Argument(help=CTIDS, autocompletion=ctids_offered, **_CTID)] = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Take every CTID of the catalog at which something exists.")
    ] = False,
    seal: Annotated[
        list[int] | None,
        typer.Option(
            metavar="CTID",
            parser=read_ctid,
            autocompletion=template_ctids,
            help="Convert this one to a template although it looks like a running service.",
        ),
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Take over containers that another tool made: mark them as managed, and convert those declared as templates.

    A container only gets a marker in its notes; the next ensure configures
    it. What the catalog declares as a template is stopped, loses its
    snapshots and is converted. Anything that looks like a running service
    (starts at boot, has ports) needs --seal CTID.
    """
    if bool(ctids) == every:
        raise typer.BadParameter("Give one or more CTIDs, or --all; not both.", param_hint="CTID")
    if ctids:
        _need_among(ctids, seal)
    _need_a_terminal(asked=not (yes or dry_run))
    with talking(context) as producer:
        chosen = list(dict.fromkeys(ctids or _standing(producer, context, timeout)))
        _need_among(chosen, seal)
        looks = producer.adopt_many(chosen, seal=seal or (), dry_run=True)
        foretold = answers_of(looks, context, timeout, as_json=as_json, only_looks=True)
        wanted = [one.ctid for one in foretold if isinstance(one, EnsureResult) and one.plan]
        if dry_run:
            conclude(foretold, outcome_lines, as_json=as_json)
        if not wanted:
            conclude([*map(_as_done, foretold)], outcome_lines, as_json=as_json)
        if not yes:
            _confirm(foretold, f"Adopt {', '.join(map(str, wanted))}?")
        done = answers_of(producer.adopt_many(wanted, seal=seal or ()), context, timeout, as_json=as_json)
    conclude([*(_as_done(one) for one in foretold if not _plan(one)), *done], outcome_lines, as_json=as_json)


def _need_among(chosen: Sequence[int], seal: Sequence[int] | None) -> None:
    if stray := set(seal or ()).difference(chosen):
        raise typer.BadParameter(f"{min(stray)} must also be one of the CTIDs to adopt.", param_hint="--seal")


def _standing(producer: Producer, context: typer.Context, timeout: float | None) -> list[int]:
    standings = awaited(context, producer.status(), timeout)
    return [one.ctid for one in standings if one.exists is not Exists.ABSENT]


def _need_a_terminal(*, asked: bool) -> None:
    if asked and not somebody_is_there():
        complain("Confirmation is required, and there is no terminal. Nothing was begun. Add --yes to confirm.")
        raise typer.Exit(BAD_INPUT)


def _is_settled(foretold: Sequence[BaseModel]) -> bool:
    """Tell whether there is nothing to confirm: one of them is refused, or nothing would be done."""
    return any(isinstance(one, Failure) for one in foretold) or not any(_plan(one) for one in foretold)


def _plan(one: BaseModel) -> tuple[str, ...]:
    return one.plan if isinstance(one, EnsureResult) else ()


def _as_done(one: BaseModel) -> BaseModel:
    """Return a dry run that found nothing to do as a result: it needs no "would"."""
    settled = isinstance(one, EnsureResult) and not one.plan
    return one.model_copy(update={"dry_run": False}) if settled else one


def _removal_lines(answer: EnsureResult | Failure) -> Iterator[str]:
    if isinstance(answer, EnsureResult) and answer.outcome is Outcome.UNCHANGED:
        yield f"{answer.ctid}  absent on {answer.node}; nothing to destroy"
    else:
        yield from outcome_lines(answer)


def _confirm_each(foretold: Sequence[BaseModel]) -> None:
    """Have the CTID typed of each that would be removed."""
    for one in foretold:
        if isinstance(one, EnsureResult) and one.plan:
            complain("\n".join([*outcome_lines(one), *warnings_in([one])]))
            with _interruptible():
                typed = typer.prompt(f"Type {one.ctid} to destroy it", err=True)
            if typed.strip() != str(one.ctid):
                _not_confirmed()


def _confirm(foretold: Sequence[BaseModel], question: str) -> None:
    for one in foretold:
        if isinstance(one, EnsureResult) and one.plan:
            complain("\n".join([*outcome_lines(one), *warnings_in([one])]))
    with _interruptible():
        agreed = typer.confirm(question, err=True)
    if not agreed:
        _not_confirmed()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Take Ctrl-C and the end of the input at a question for no. To typer both are `Abort`."""
    try:
        yield
    except typer.Abort as abort:
        complain("")  # the cursor is still behind the question
        _not_confirmed(INTERRUPTED if isinstance(abort.__context__, KeyboardInterrupt) else BAD_INPUT)


def _not_confirmed(code: int = BAD_INPUT) -> NoReturn:
    complain("Not confirmed. Nothing was begun.")
    raise typer.Exit(code)
