"""A request as HTTP shows it: its job, and what became of it."""

# No postponed annotations here: FastAPI reads them.
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from fastapi import Response
from pydantic import BaseModel, TypeAdapter

from phoenix_producer.client.handle import Handle
from phoenix_producer.client.link import Link
from phoenix_producer.client.record import PREFIX
from phoenix_producer.contract import (
    CANCEL,
    CONTAINERS,
    DRAIN,
    DRIFT,
    NODES,
    PLAN,
    PLANS,
    STATUS,
    TEMPLATES,
    UNDRAIN,
    Answer,
    Cancelled,
    EnsureFailed,
    EnsureResult,
    Failure,
    Step,
)
from phoenix_producer.ctids import parse_ctid
from phoenix_producer.http import problems
from phoenix_producer.http.by_http import told
from phoenix_producer.http.json_text import json_of
from phoenix_producer.http.problems import Refused
from phoenix_producer.ledger.entries import Job, JobState, Wait
from phoenix_producer.ledger.view import LedgerView
from phoenix_producer.nodes import Drained, Node
from phoenix_producer.plans import Drift, Plan
from phoenix_producer.standing import Standing, Template


class Cancellation(Answer):
    """What a cancel met."""

    job: str
    verdict: Cancelled


Result = (
    EnsureResult
    | Plan
    | Cancellation
    | Drained
    | list[Standing]
    | list[Drift]
    | list[Template]
    | list[Node]
    | list[int]
    | list[Plan | Failure]
)
"""What a request is answered with."""

_READERS: dict[str, TypeAdapter[Any]] = {
    PLAN: TypeAdapter(Plan),
    PLANS: TypeAdapter(list[Plan | Failure]),
    CANCEL: TypeAdapter(Cancellation),
    STATUS: TypeAdapter(list[Standing]),
    DRIFT: TypeAdapter(list[Drift]),
    TEMPLATES: TypeAdapter(list[Template]),
    CONTAINERS: TypeAdapter(list[int]),
    NODES: TypeAdapter(list[Node]),
    DRAIN: TypeAdapter(Drained),
    UNDRAIN: TypeAdapter(Drained),
}
_OF_A_CHANGE: TypeAdapter[Any] = TypeAdapter(EnsureResult)


class RequestView(BaseModel):
    """A request: where it is, what its steps did, and its result or failure once it has ended."""

    id: str
    what: str
    """Such as `ensure 103`."""
    state: JobState
    requester: str = ""
    created: float | None = None
    """Seconds since the epoch, like all times."""
    ended: float | None = None
    step: str = ""
    """What it is at."""
    since: float | None = None
    waits_for: Wait | None = None
    steps: tuple[Step, ...] = ()
    result: Result | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says that a request is."""

    name: str
    ctid: int | None


class Requests:
    """Reads requests and their answers. Every method blocks, and may raise Unreachable."""

    def __init__(self, link: Link, root_path: str) -> None:
        self._link, self._ledger, self._root_path = link, LedgerView(link.look), root_path

    def known(self, request_id: str) -> Known:
        """Say what a request is. Raises Refused for one that is unknown, or not known any more."""
        (fields,) = self._link.look(lambda pipe: pipe.hmget(f"{PREFIX}job:{request_id}", "name", "subject"))
        name, subject = (str(field or "") for field in fields or ("", ""))
        if not name and self._link.answer(request_id) is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"There is no request {request_id}, or not any more.")
        return Known(name, parse_ctid(subject))

    def view(self, request_id: str) -> RequestView:
        """Read a request. Raises Refused as `known`."""
        known = self.known(request_id)
        job = self._ledger.job(request_id)
        what = job.what if job else known.name.removeprefix("phoenix.")
        steps = tuple(self._ledger.steps(request_id))
        answer = self.answer(request_id, known)  # last: it is stored before the job ends, so that no end is without it
        view = RequestView(id=request_id, what=what, steps=steps, **_of_job(job))
        if answer is None:
            return view
        over: dict[str, Any] = {"waits_for": None, "step": ""}
        if isinstance(answer, Failure):
            state = JobState.CANCELLED if answer.cause == "cancelled" else JobState.FAILED
            over |= {"failure": answer, "state": state, "steps": answer.steps or view.steps}
        else:
            over |= {"result": answer, "state": JobState.DONE}
            over |= {"steps": answer.steps} if isinstance(answer, EnsureResult) else {}
        return view.model_copy(update=over)

    def answer(self, request_id: str, known: Known) -> Result | Failure | None:
        """Read the answer to a request, with the ways by HTTP in it; None if there is none yet."""
        if self._link.answer(request_id) is None:
            return None
        reader = _READERS.get(known.name, _OF_A_CHANGE)
        handle: Handle[Result] = Handle(self._link, request_id, known.ctid, _cast(reader))
        try:
            return told(handle.wait(0), self._root_path)
        except EnsureFailed as error:
            return told(error.failure, self._root_path)


def _of_job(job: Job | None) -> dict[str, Any]:
    if job is None:
        return {"state": JobState.QUEUED}
    names = ("state", "requester", "created", "ended", "step", "since", "waits_for")
    return {name: getattr(job, name) for name in names}


def _cast(reader: TypeAdapter[Any]) -> Callable[[Any], Result]:
    return lambda answer: cast("Result", reader.validate_python(answer))


def as_response(answer: Result | Failure, headers: dict[str, str]) -> Response:
    """Answer with a result, or with the problem that a failure is."""
    response = problems.of_failure(answer) if isinstance(answer, Failure) else written(type_of(answer), answer)
    response.headers.update(headers)
    return response


def written(kind: Any, value: Any) -> Response:
    """Answer with a value of a type as JSON."""
    return Response(json_of(kind, value), media_type="application/json")


def type_of(answer: Any) -> Any:
    """Name what an answer is written as."""
    return type(answer) if isinstance(answer, BaseModel) else list[Any]
