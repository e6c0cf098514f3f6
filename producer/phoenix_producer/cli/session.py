"""What a command has with Redis and the workers: whatever goes wrong is a line on stderr and an exit code."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections import Counter
from contextlib import closing, contextmanager, nullcontext
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer

from phoenix_producer.cli.command_line import command_again, command_beside
from phoenix_producer.cli.live_lines import OpenJobs, display_for
from phoenix_producer.cli.look_bar import LookBar, following_look
from phoenix_producer.cli.terminal import complain, warnings_in
from phoenix_producer.cli.without_workers import NotAnsweredError, late_notice, waited, why_nobody_works
from phoenix_producer.client.channel import LoginRefused, NoSuchDatabase, Unreachable
from phoenix_producer.client.link import Link
from phoenix_producer.client.producer import Producer
from phoenix_producer.client.reaching import greet
from phoenix_producer.contract import LONGEST_REQUESTER, ContractError, EnsureFailed, Failure, ProgressKind
from phoenix_producer.ledger.view import LedgerView
from phoenix_producer.plain_text import plain_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from pydantic import BaseModel

    from phoenix_producer.cli.terminal import Display
    from phoenix_producer.client.handle import Handle, Handles

FAILED = 1
BAD_INPUT = 2
DIFFERS = 2
"""Of `plan` and `drift` with `--exit-code`: something differs."""
INTERRUPTED = 130
_NOT_DECLARED = "not-declared"
_NO_WORKER = "No worker answers; the request waits in Redis until one starts."
_NEVER_SHARED = "rebuild"
"""The command that does it once more when it is given again."""

Answer = TypeVar("Answer")


@contextmanager
def talking(context: typer.Context) -> Iterator[Producer]:
    """Give the block of a command a producer."""
    with _explaining(context):
        greet(context.obj())
        with Producer(context.obj(), requester=_who_asks()) as producer:
            yield producer


def _who_asks() -> str:
    """Name the user and the machine. A container may run as a number that no user has."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # KeyError until Python 3.12
        user = f"uid {os.getuid()}"
    return plain_line(f"{user}@{socket.gethostname()}")[:LONGEST_REQUESTER]


@contextmanager
def reading(context: typer.Context) -> Iterator[Link]:
    """Give the block of a command a connection to read the ledger with."""
    with _explaining(context):
        greet(context.obj())
        link = Link(context.obj())
        try:
            yield link
        finally:
            link.close()


@contextmanager
def _explaining(context: typer.Context) -> Iterator[None]:
    try:
        yield
    except (ContractError, LoginRefused, NoSuchDatabase) as error:
        _give_up(error, BAD_INPUT)
    except NotAnsweredError as error:
        _give_up(f"{error}\n     {_how_it_goes_on(context, error.jobs)}", FAILED)
    except EnsureFailed as error:
        _give_up(error, _exit_code([error.failure]))
    except Unreachable as error:
        _give_up(error, FAILED)


def _give_up(why: object, code: int) -> NoReturn:
    complain(why)
    raise typer.Exit(code) from None


def _how_it_goes_on(context: typer.Context, jobs: Collection[str]) -> str:
    with _explaining(context):
        why_not = why_nobody_works(context, jobs, no_worker=_NO_WORKER)
    return f"{why_not or 'The job continues.'} To wait for it again: {command_again(context)}"


def answers_of(
    handles: Handles[Any],
    context: typer.Context,
    timeout: float | None = None,
    *,
    as_json: bool,
    only_looks: bool = False,
) -> list[BaseModel]:
    """Show what happens to jobs until each has ended, or the time is over; return results and failures.

    Of requests that only read (`only_looks`), only how many have ended is shown; and a late answer is explained even if
    a worker has the request.
    """
    remedy, jobs = "", [handle.id for handle in handles]
    try:
        with (
            nullcontext() if only_looks else _going_on_alone(handles, context),
            closing(Link(context.obj())) as link,
            LookBar(len(handles))
            if only_looks
            else display_for(handles, OpenJobs(LedgerView(link.look).jobs), as_json=as_json) as display,
            late_notice(context, jobs, display.tell, timeout=timeout) as answered,
        ):
            follow = Following(handles, display, (lambda: None) if only_looks else answered)
            waited(context, jobs, follow, timeout)
    except NotAnsweredError:
        remedy = _how_it_goes_on(context, jobs)
    return [_answer(handle, timeout, remedy) for handle in handles]


def looked_at(context: typer.Context, handle: Handle[Answer], timeout: float | None) -> Answer:
    """Wait for the answer of one request that looks at many CTIDs, and show how far it is."""
    with (
        LookBar() as bar,
        late_notice(context, [handle.id], bar.tell, timeout=timeout) as answered,
        following_look(context, handle.id, bar, answered),
    ):
        return waited(context, [handle.id], handle.wait, timeout)


@contextmanager
def _going_on_alone(handles: Handles[Any], context: typer.Context) -> Iterator[None]:
    """End the command by Ctrl-C in the block, or as Redis has gone, with what can be done about the jobs."""
    try:
        yield
    except KeyboardInterrupt:
        complain("Stopped waiting. The jobs go on.")
        _say_what_can_be_done(handles, context)
        raise typer.Exit(INTERRUPTED) from None
    except Unreachable as error:
        complain(error)
        complain("Stopped waiting. The jobs go on when Redis is back with its data.")
        _say_what_can_be_done(handles, context)
        raise typer.Exit(FAILED) from None


def _say_what_can_be_done(handles: Handles[Any], context: typer.Context) -> None:
    jobs = [handle.id for handle in handles]
    look = ["jobs", "show", *jobs] if len(jobs) == 1 else ["jobs"]
    complain(f"     look again: {command_beside(context, *look)}")
    if context.info_name != _NEVER_SHARED:
        complain(f"     wait again: {command_again(context)}")
    complain(f"     cancel:     {command_beside(context, 'cancel', *jobs)}")


class Following:
    """Shows what happens to jobs; called once more, it goes on where it stopped."""

    def __init__(self, handles: Handles[Any], display: Display, answered: Callable[[], None]) -> None:
        self._handles, self._display, self._answered = handles, display, answered
        self._shown: Counter[str] = Counter()

    def __call__(self, timeout: float | None) -> None:
        """Show until all have ended. `timeout` is in seconds. Raises TimeoutError and Unreachable."""
        read: Counter[str] = Counter()
        for progress in self._handles.progress(timeout):
            read[progress.job] += 1
            if read[progress.job] <= self._shown[progress.job]:
                continue
            self._shown[progress.job] += 1
            if progress.kind is not ProgressKind.REQUESTED:
                self._answered()
            self._display.show(progress)


def _answer(handle: Handle[Any], timeout: float | None, remedy: str) -> BaseModel:
    try:
        answer: BaseModel = handle.wait(0 if remedy else None)
    except EnsureFailed as error:
        return error.failure
    except TimeoutError:
        late = ", and no worker works on it" if timeout is None else f" in {timeout:g} s"
        return Failure(
            request_id=handle.id,
            ctid=handle.ctid,
            message=f"The request for CTID {handle.ctid} has not ended{late}.",
            cause="timeout",
            remedy=remedy,
        )
    return answer


def conclude(
    answers: Sequence[BaseModel],
    lines: Callable[[Any], Iterator[str]],
    *,
    as_json: bool,
    differs: bool = False,
) -> NoReturn:
    """Print how each request ended, and end the command; with `differs`, the exit code says so unless one failed."""
    if as_json:
        print_json([answer.model_dump(mode="json") for answer in answers])
    else:
        _print(answers, lines)
        for warning in warnings_in(answers):
            complain(warning)
    raise typer.Exit(_exit_code(answers) or (DIFFERS if differs else 0))


def _exit_code(answers: Sequence[BaseModel]) -> int:
    """Return BAD_INPUT if the catalog has none of the CTIDs, so that nothing was begun, and FAILED if any failed."""
    causes = [answer.cause if isinstance(answer, Failure) else "" for answer in answers]
    if causes and set(causes) == {_NOT_DECLARED}:
        return BAD_INPUT
    return FAILED if any(causes) else 0


def _print(answers: Sequence[BaseModel], lines: Callable[[Any], Iterator[str]]) -> None:
    """Print one after the other; a remedy that failures in a row have in common comes once, after the last."""
    for answer, following in zip_longest(answers, answers[1:]):
        told = list(lines(answer))
        if isinstance(answer, Failure) and answer.remedy == getattr(following, "remedy", None):
            told = [line for line in told if line.strip() != answer.remedy]
        typer.echo("\n".join(told), err=isinstance(answer, Failure))


def print_json(document: Any) -> None:
    """Print what a program reads."""
    typer.echo(json.dumps(document, indent=2))
