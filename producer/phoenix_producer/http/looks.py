"""`GET` of what there is: requests and their events, jobs and locks, and what the workers see."""

# No postponed annotations here: FastAPI reads them.
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel

from phoenix_producer.contract import Failure
from phoenix_producer.ctids import Ctid
from phoenix_producer.http.changes import LONGEST_WAIT, Serving
from phoenix_producer.http.described import ABSENT, PLAIN_NUMBER, UrlId
from phoenix_producer.http.events import PLACE_PATTERN, checked
from phoenix_producer.http.guard import Asking, Door, secret_in
from phoenix_producer.http.protocol import WIRE
from phoenix_producer.http.requests import RequestView, written
from phoenix_producer.http.shared_looks import Acceptable
from phoenix_producer.http.tokens import Role, Token
from phoenix_producer.ledger.entries import Job, Lock, Wanted
from phoenix_producer.plans import Drift, Plan
from phoenix_producer.standing import Standing, Template

looks = APIRouter()

_MANY = 1000
Ctids = Annotated[list[Ctid], Query(alias="ctid", max_length=_MANY, description="By default all of the catalog.")]
Wait = Annotated[
    float, Query(gt=0, le=LONGEST_WAIT, description="Seconds until workers must have answered."), PLAIN_NUMBER
]
LastId = Annotated[
    str,
    Header(alias="Last-Event-ID", description="Go on after this event.", json_schema_extra={"pattern": PLACE_PATTERN}),
]
_EVENTS: dict[int | str, dict[str, Any]] = {
    int(HTTPStatus.OK): {"content": {"text/event-stream": {}}, "description": "Server-sent events, until the end."}
}
_EVENTS_OF_ONE = _EVENTS | {int(HTTPStatus.NO_CONTENT): {"description": "The history has ended."}}
AGED: dict[int | str, dict[str, Any]] = {
    int(HTTPStatus.OK): {
        "headers": {"Age": {"description": "Seconds since the workers have seen it.", "schema": {"type": "integer"}}}
    }
}
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=([0-9]{1,9})(?:$|[\s,])", re.IGNORECASE)


async def _acceptable(http: Request) -> Acceptable:
    """Read from a request which answers of others it accepts."""
    found = _MAX_AGE.search(http.headers.get("cache-control", ""))
    given = sorted(item for item in http.query_params.multi_items() if item[0] != "wait")
    return Acceptable((http.scope["route"].path, *given), float(found[1]) if found else None)


Wanting = Annotated[Acceptable, Depends(_acceptable)]


class Me(BaseModel):
    """Whose token it is, and what it may do."""

    name: str
    role: Role
    ctids: tuple[int, ...]
    """Of a requester: the only ones that it may ask for; empty for all."""
    open: bool
    """Whether the server lets in whoever is on its machine: nobody has made a token yet."""


@looks.get("/v1/me", operation_id="me")
async def me(http: Request, token: Asking) -> Me:
    """Say who asks, and what he may do."""
    door: Door = http.app.state.door
    return Me(name=token.name, role=token.role, ctids=token.ctids, open=door.is_open)


@looks.get("/v1/requests/{request_id}", operation_id="request", response_model=RequestView)
def request(service: Serving, _token: Asking, request_id: UrlId) -> Response:
    """Show a request: its state, its steps, its result or failure."""
    return written(RequestView, service.requests.view(str(request_id)))


@looks.get("/v1/requests/{request_id}/events", operation_id="request_events", responses=_EVENTS_OF_ONE)
async def request_events(
    http: Request,
    service: Serving,
    token: Asking,
    request_id: UrlId,
    last_id: LastId = ABSENT,
) -> Response:
    """Tell the history of a request as it happens, from its beginning to its end."""
    checked(last_id)
    await to_thread.run_sync(service.requests.known, str(request_id))
    return await service.events.of_job(str(request_id), last_id, _welcome(http, token))


@looks.get("/v1/events", operation_id="events", responses=_EVENTS)
async def events(http: Request, service: Serving, token: Asking, last_id: LastId = ABSENT) -> Response:
    """Tell what becomes of all requests, from now on."""
    write_chunk = http.scope["state"][WIRE].write_chunk
    return await service.events.of_all(last_id, _welcome(http, token), write_chunk)


@looks.get("/v1/jobs", operation_id="jobs", response_model=list[Job])
def jobs(
    service: Serving,
    _token: Asking,
    *,
    ended: Annotated[bool, Query(alias="all", description="List also those that ended in the last week.")] = False,
    ctid: Annotated[Ctid, Query(description="Only those of this CTID.")] = ABSENT,
    newest: Annotated[
        int,
        Query(ge=1, le=_MANY, description="Only so many, those that came last."),
        PLAIN_NUMBER,
    ] = ABSENT,
) -> Response:
    """List jobs, oldest first: the state of each, what it waits for and since when."""
    if ctid is None:
        return written(list[Job], service.ledger.jobs(ended=ended, newest=newest))
    found = [job for job in service.ledger.jobs(ended=ended) if Wanted(ctid=ctid).has(job)]
    return written(list[Job], found[-newest:] if newest else found)


@looks.get("/v1/locks", operation_id="locks", response_model=list[Lock])
def locks(service: Serving, _token: Asking) -> Response:
    """List locks: who has each, and who waits for it."""
    return written(list[Lock], service.ledger.locks())


@looks.get("/v1/status", operation_id="status", response_model=list[Standing], responses=AGED)
async def status(
    service: Serving,
    token: Asking,
    wanted: Wanting,
    ctid: Ctids = [],  # noqa: B006 - FastAPI copies it
    wait: Wait = 30,
) -> Response:
    """Show what exists at CTIDs of the catalog."""
    return await service.looked(lambda producer: producer.status(ctid), token.name, wait, wanted)


@looks.get("/v1/templates", operation_id="templates", response_model=list[Template], responses=AGED)
async def templates(service: Serving, token: Asking, wanted: Wanting, wait: Wait = 30) -> Response:
    """Show the templates with their copies: where each stands, and how many wait for it."""
    return await service.looked(lambda producer: producer.templates(), token.name, wait, wanted)


@looks.get("/v1/drift", operation_id="drift", response_model=list[Drift], responses=AGED)
async def drift(
    service: Serving,
    token: Asking,
    wanted: Wanting,
    ctid: Ctids = [],  # noqa: B006 - FastAPI copies it
    *,
    accept_not_applied: bool = False,
    wait: Wait = 30,
) -> Response:
    """Show how what exists differs from the catalog."""
    return await service.looked(
        lambda producer: producer.drift(ctid, accept_not_applied=accept_not_applied), token.name, wait, wanted
    )


@looks.get("/v1/plan", operation_id="plans", response_model=list[Plan | Failure], responses=AGED)
async def plan(
    service: Serving,
    token: Asking,
    wanted: Wanting,
    ctid: Ctids = [],  # noqa: B006 - FastAPI copies it
    *,
    accept_not_applied: bool = False,
    wait: Wait = 30,
) -> Response:
    """Show what an ensure of each CTID would do, or why it would fail."""
    return await service.looked(
        lambda producer: producer.plan_all(ctid, accept_not_applied=accept_not_applied), token.name, wait, wanted
    )


def _welcome(http: Request, token: Token) -> Callable[[], bool]:
    door: Door = http.app.state.door
    secret = secret_in(http.headers)
    return lambda: door.admits(secret, token)
