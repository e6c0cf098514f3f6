"""What requests and their handles need of whatever carries them: Redis, or a test's memory."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from phoenix_producer.contract import ContractError, EnsureFailed, Failure, Progress, ProgressKind
from phoenix_producer.ctids import parse_ctid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

_KINDS = frozenset(ProgressKind)
_FAILED = (ProgressKind.FAILED, ProgressKind.CANCELLED)


class Unreachable(Exception):  # noqa: N818 - reads as what Redis is
    """Redis does not answer, or refuses what is asked of it. The message names it without its password."""


class LoginRefused(Unreachable):
    """Redis is there, and does not accept the password, or its absence."""


class NoSuchDatabase(Unreachable):
    """Redis is there, and has no database of that number."""


def used_before(request_id: str, what: str) -> ContractError:
    """Say that a request id is that of another request."""
    return ContractError(f"Request id {request_id} was already used for {what}. Use a new one.")


LOST_REQUEST = {
    "message": "Redis was emptied, or lost its last writes, and with them this request.",
    "cause": "forgotten",
    "remedy": "Send the request again: it continues with what was begun.",
}
"""What a request ends with that Redis has lost; part of a `Failure`."""


def is_forgotten(meta: dict[str, Any]) -> bool:
    """Return whether a stored end says that Redis has lost the request."""
    told = meta["result"].get("exc_message") if isinstance(meta.get("result"), dict) else None
    first = told[0] if isinstance(told, list) and told else None
    return isinstance(first, dict) and first.get("cause") == LOST_REQUEST["cause"]


def forgotten(request_id: str) -> dict[str, Any]:
    """Return the end of a request that Redis has lost, in the form in which Celery stores a failure."""
    failure = Failure(request_id=request_id, **LOST_REQUEST)
    return {
        "status": "FAILURE",
        "result": {"exc_type": "EnsureFailed", "exc_message": [failure.model_dump(mode="json")]},
    }


class OtherOptions(ContractError):  # noqa: N818 - as above
    """A request id is that of the same request with other options."""

    def __init__(self, request_id: str, what: str) -> None:
        super().__init__(f"Request id {request_id} was already used for {what} with other options. Use a new one.")


class Entry(NamedTuple):
    """One line of the history of a job."""

    job: str
    place: str
    """Where the history goes on after it."""
    fields: dict[str, str]

    @property
    def is_known(self) -> bool:
        """Whether this version can read what happened; a newer worker may record more, and others anything."""
        return self.fields.get("kind") in _KINDS and _is_time(self.fields.get("at", ""))

    def progress(self) -> Progress:
        """Read it."""
        fields = self.fields
        kind, subject, detail = ProgressKind(fields["kind"]), fields.get("subject", ""), fields.get("detail", "")
        return Progress(
            at=float(fields["at"]),
            kind=kind,
            job=self.job,
            step=fields.get("step", ""),
            ctid=parse_ctid(subject),
            detail=_why(detail) if kind in _FAILED else detail,
            upid=fields.get("upid") or None,
        )


def _is_time(told: str) -> bool:
    try:
        return math.isfinite(float(told))
    except ValueError:
        return False


def _why(failure: str) -> str:
    """Say for people what the ledger has as JSON: a failure, or the words of an exception."""
    try:
        return str(EnsureFailed(json.loads(failure)))
    except (ValueError, RecursionError):
        return failure


class Channel(Protocol):
    """Carries requests to workers, and back what becomes of them. Every method may raise Unreachable."""

    def send(self, name: str, request_id: UUID, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        """Send a request; one that is known already is not sent again.

        Raises ContractError if the id is that of another request, or of the same with other options.
        """

    def answer(self, request_id: str) -> dict[str, Any] | None:
        """Read the end of a request as Celery stores it; None if it has not ended."""

    def wait_for_answer(self, request_id: str, timeout: float | None) -> dict[str, Any] | None:
        """Like `answer`, as soon as there is one; None if there is none after `timeout` seconds."""

    def history(self, places: Mapping[str, str], seconds: float) -> list[Entry]:
        """Read what the histories of jobs have after the given places; wait for it at most so long."""

    def close(self) -> None:
        """Close all connections."""
