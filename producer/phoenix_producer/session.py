"""What a command has with Redis and the workers: whatever goes wrong is a line on stderr and an exit code."""

from __future__ import annotations

import getpass
import json
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from phoenix_producer.channel import Unreachable
from phoenix_producer.contract import ContractError, EnsureFailed, Failure, ProgressKind
from phoenix_producer.link import Link
from phoenix_producer.producer import Producer
from phoenix_producer.terminal import NoWorkerNotice, complain, display_for, warnings_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydantic import BaseModel

    from phoenix_producer.handle import Handle, Handles

FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130


@contextmanager
def talking(redis_url: str) -> Iterator[Producer]:
    """Give the block a producer."""
    with _explaining(), Producer(redis_url, requester=f"{getpass.getuser()}@{socket.gethostname()}") as producer:
        yield producer


@contextmanager
def reading(redis_url: str) -> Iterator[Link]:
    """Give the block what it can read the ledger through."""
    with _explaining():
        link = Link(redis_url)
        try:
            yield link
        finally:
            link.close()


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except ContractError as error:
        _give_up(error, BAD_INPUT)
    except (Unreachable, EnsureFailed, TimeoutError) as error:
        _give_up(error, FAILED)


def _give_up(error: Exception, code: int) -> NoReturn:
    complain(error)
    raise typer.Exit(code) from None


def answers_of(handles: Handles[Any], timeout: float | None, *, as_json: bool) -> list[BaseModel]:
    """Show what happens to jobs until each has ended, or the time is over; return results and failures."""
    with (
        suppress(TimeoutError),
        display_for(handles, as_json=as_json) as display,
        NoWorkerNotice() as notice,
    ):
        for progress in handles.progress(timeout):
            if progress.kind is not ProgressKind.REQUESTED:
                notice.cancel()
            display.show(progress)
    return [_answer(handle) for handle in handles]


def _answer(handle: Handle[Any]) -> BaseModel:
    try:
        answer: BaseModel = handle.wait(0)
    except EnsureFailed as error:
        return error.failure
    except TimeoutError:
        return Failure(
            request_id=handle.id,
            ctid=handle.ctid,
            message=f"The request for CTID {handle.ctid} has not ended in the given time.",
            cause="timeout",
            remedy=f"It goes on; wait for it again with: phoenix-lxc ensure {handle.ctid}",
        )
    return answer


def conclude(answers: Sequence[BaseModel], lines: Callable[[Any], Iterator[str]], *, as_json: bool) -> NoReturn:
    """Print how each request ended, and end the command."""
    if as_json:
        print_json([answer.model_dump(mode="json") for answer in answers])
    else:
        for answer in answers:
            typer.echo("\n".join(lines(answer)), err=isinstance(answer, Failure))
        for warning in warnings_in(answers):
            complain(warning)
    raise typer.Exit(FAILED if any(isinstance(answer, Failure) for answer in answers) else 0)


def print_json(document: Any) -> None:
    """Print what a program reads."""
    typer.echo(json.dumps(document, indent=2))
