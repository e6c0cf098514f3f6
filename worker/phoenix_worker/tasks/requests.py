"""What a message asks for, read from its arguments."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any
from uuid import UUID

from phoenix_producer.contract import ContractError, EnsureRequest, Request, kind_of, parse_as
from phoenix_worker.core.planned.requested import as_requested

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration


def parsing(model: type[Request], function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a task take its message as one request. The caller gets ContractError for arguments that do not fit."""

    @functools.wraps(function)
    def call(task: PhoenixTask, /, *given: Any, **options: Any) -> Any:
        return function(task, _request(model, task, given, options))

    return call


def binding(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a task tell its sender that the arguments do not fit: ContractError, no defect of the task."""
    wanted = inspect.signature(function)

    @functools.wraps(function)
    def call(task: PhoenixTask, /, *args: Any, **kwargs: Any) -> Any:
        try:
            wanted.bind(task, *args, **kwargs)
        except TypeError as error:
            raise ContractError(f"Not a valid request for {task.name}: {error}.") from error
        return function(task, *args, **kwargs)

    return call


def shared_by(request: EnsureRequest, declaration: Declaration) -> str:
    """Name what requests ask for that may share a run."""
    options = f"{request.adopt:d} {request.accept_not_applied:d} {request.state} {' '.join(request.rerun)}"
    if (seconds := request.wait_for_address or declaration.wait_for_address) is not None:
        options += f" within {seconds}"
    return f"{request.ctid} {declaration.hash} {options}"


def declaration_for(task: PhoenixTask, request: EnsureRequest) -> Declaration:
    """Return the CTID's declaration, with the state that this request wants."""
    declared = task.read("declared", lambda: task.current_declaration(request.ctid).hash)
    declaration = task.pinned_declaration(request.ctid, declared, accepted=request.accept_not_applied)
    return as_requested(declaration, request)


def _request(model: type[Request], task: PhoenixTask, given: tuple[Any, ...], options: dict[str, Any]) -> Request:
    """Read a request from the arguments of a message, whoever sent it. Raises ContractError."""
    subject, first = f"Not a valid {kind_of(model)} request", next(iter(model.model_fields))
    if len(given) + (first in options) > 1:
        what = "CTID" if first == "ctid" else first
        raise ContractError(f"{subject}: only the {what} may be positional; pass all else by keyword.")
    try:
        UUID(task.request.id)
    except ValueError:
        raise ContractError(f"{subject}: the task id {task.request.id!r} is not a UUID.") from None
    return parse_as(model, {**options, **({first: given[0]} if given else {})})
