"""Answers of another form than the API documents, told at the edge and never taken for less than they might have been.

They come from what stands before Proxmox, or from a Proxmox that is of no supported version. One that comes once may be
right the next time. Of `null` or an object in a list's place no container is absent, and no cluster has quorum; nor is
one ours or not by a configuration without a digest, which each has, or stopped by a state that none can have.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.proxmox.translate import NOT_PROXMOX, unknown_outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_worker.proxmox.translate import Request

T = TypeVar("T")

DEFECTIVE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
"""What reading an answer raises that lacks a field, or has something else in its place."""
_STATES = ("running", "stopped")
_KINDS = {dict: "an object", list: "a list", str: "a text", bool: "a flag", type(None): "null"}


def rows_of(request: Request, answer: object) -> list[dict[str, Any]]:
    """Return a list of objects as such. Raises TransientError for anything else."""
    if not isinstance(answer, list):
        raise _not_documented(request, f"{_kind(answer)} where a list is meant")
    for row in answer:
        if not isinstance(row, dict):
            raise _not_documented(request, f"{_kind(row)} in a list of objects")
    return answer


def fields_of(request: Request, answer: object) -> dict[str, Any]:
    """Return an object as such. Raises TransientError for anything else."""
    if not isinstance(answer, dict):
        raise _not_documented(request, f"{_kind(answer)} where an object is meant")
    return answer


def task_of(request: Request, answer: object) -> str:
    """Return the UPID of what was started. Raises TransientError for anything but a text: it may have been started."""
    if not isinstance(answer, str):
        raise unknown_outcome(request, f"the answer is not as documented ({_kind(answer)} where a UPID is meant)")
    return answer


def runs(row: dict[str, Any]) -> bool:
    """Tell whether a guest or a task runs. Raises LookupError or ValueError for a state that neither can have."""
    if row["status"] not in _STATES:
        raise ValueError(f"the state is {row['status']!r:.100}")
    return bool(row["status"] == "running")


def understood(api: type[T]) -> type[T]:
    """Let each public method raise TransientError for an answer that lacks what it reads."""
    for name, method in inspect.getmembers(api, inspect.isfunction):
        if not name.startswith("_"):
            setattr(api, name, _reading(method))
    return api


def _reading(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def read(*args: Any, **more: Any) -> Any:
        try:
            return method(*args, **more)
        except DEFECTIVE as error:
            what = f"{type(error).__name__}: {error}; read by `{method.__name__}`"
            raise _unreadable(f"An answer of Proxmox is not as documented ({what}).") from error

    return read


def _not_documented(request: Request, what: str) -> TransientError:
    return _unreadable(f"Unable to {request.doing}: the answer is not as documented ({what}).")


def _unreadable(message: str) -> TransientError:
    return TransientError(message, cause="proxmox-answer", remedy=NOT_PROXMOX)


def _kind(answer: object) -> str:
    """Name what JSON has instead."""
    return _KINDS.get(type(answer), "a number")
