"""`POST` of what changes something: the options are those of the contract, the CTID is in the path."""

# No postponed annotations here: FastAPI reads them.
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, WithJsonSchema, create_model

from phoenix_producer.client.handle import Handle
from phoenix_producer.client.producer import Producer
from phoenix_producer.contract import (
    ENSURE,
    PLAN,
    AdoptRequest,
    DestroyRequest,
    EnsureRequest,
    EnsureResult,
    Message,
    RebuildRequest,
)
from phoenix_producer.ctids import Ctid
from phoenix_producer.http.described import ABSENT, ID_PATTERN, PLAIN_NUMBER, UrlId, summary_of
from phoenix_producer.http.guard import at_least
from phoenix_producer.http.problems import Refused
from phoenix_producer.http.requests import Cancellation
from phoenix_producer.http.service import Service
from phoenix_producer.http.tokens import Role, Token
from phoenix_producer.nodes import MigrateRequest
from phoenix_producer.plans import Plan

LONGEST_WAIT = 300
"""Seconds."""

Wait = Annotated[
    float, Query(ge=0, le=LONGEST_WAIT, description="Answer with the result if it is there in time."), PLAIN_NUMBER
]
Key = Annotated[
    UrlId,
    WithJsonSchema({"type": "string", "pattern": ID_PATTERN}),  # generated clients send text alone
    Header(alias="Idempotency-Key", description="A UUID, which becomes the id of the request."),
]
_OF_REQUESTERS = {ENSURE, PLAN}
_NOT_OF_THE_BODY = {"ctid", "requester", "together"}


class Accepted(BaseModel):
    """A request that workers have, or will have."""

    id: UUID
    url: str
    """Where it can be read; also in `Location`."""


class _Change(NamedTuple):
    """What a path ends with, what it takes and gives, and who may ask for it."""

    name: str
    ask: Callable[..., Handle[Any]]
    message: type[Message]
    result: type[BaseModel]
    role: Role
    only: frozenset[str] = frozenset()


_CHANGES = (
    _Change("ensure", Producer.ensure, EnsureRequest, EnsureResult, Role.REQUESTER),
    _Change("plan", Producer.plan, EnsureRequest, Plan, Role.VIEWER, frozenset({"accept_not_applied"})),
    _Change("destroy", Producer.destroy, DestroyRequest, EnsureResult, Role.OPERATOR),
    _Change("rebuild", Producer.rebuild, RebuildRequest, EnsureResult, Role.OPERATOR),
    _Change("adopt", Producer.adopt, AdoptRequest, EnsureResult, Role.OPERATOR),
    _Change("migrate", Producer.migrate, MigrateRequest, EnsureResult, Role.OPERATOR),
)


async def serving(request: Request) -> Service:
    """Find what an endpoint works with."""
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(serving)]


def router() -> APIRouter:
    """Make the endpoints."""
    made = APIRouter()
    for change in _CHANGES:
        made.add_api_route(
            f"/v1/containers/{{ctid}}/{change.name}",
            _endpoint(change),
            methods=["POST"],
            name=change.name,
            operation_id=change.name,
            summary=summary_of(change.ask),
            status_code=HTTPStatus.ACCEPTED,
            responses=answers(change.result),
        )
    made.add_api_route(
        "/v1/requests/{request_id}/cancel",
        cancel,
        methods=["POST"],
        operation_id="cancel",
        description=summary_of(cancel),
        status_code=HTTPStatus.ACCEPTED,
        responses=answers(Cancellation),
    )
    return made


async def cancel(
    service: Serving,
    token: Annotated[Token, Depends(at_least(Role.REQUESTER))],
    request_id: UrlId,
    wait: Wait = 0,
    key: Key = ABSENT,
) -> Response:
    """Ask that a job stop for its requester; others who share its run keep it.

    Raises Refused where the token may not.
    """
    known = await to_thread.run_sync(service.requests.known, str(request_id))
    if token.role is not Role.OPERATOR and not (known.name in _OF_REQUESTERS and token.may_ask_for(known.ctid)):
        raise Refused(HTTPStatus.FORBIDDEN, "The token may not cancel this request.")
    sent = await service.change(lambda producer, own_id: producer.cancel(request_id, own_id=own_id), token.name, key)
    return await service.accepted(sent, wait)


def answers(result: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Describe what a change is answered with: its result if it was there in time, or where it will be."""
    place = {"Location": {"description": "Where the request can be read.", "schema": {"type": "string"}}}
    return {
        int(HTTPStatus.OK): {"model": result, "headers": place},
        int(HTTPStatus.ACCEPTED): {"model": Accepted, "headers": place},
    }


def _options_of(change: _Change) -> type[BaseModel]:
    """Derive the body from the message: its fields but those that come from elsewhere."""
    names = change.only or change.message.model_fields.keys() - _NOT_OF_THE_BODY
    fields: dict[str, Any] = {
        name: (field.annotation, field) for name, field in change.message.model_fields.items() if name in names
    }
    return create_model(f"{change.name.capitalize()}Options", __base__=Message, **fields)


def _endpoint(change: _Change) -> Callable[..., Any]:
    async def endpoint(
        service: Service, token: Token, ctid: int, *, options: Any, wait: float = 0, key: UUID | None = None
    ) -> Response:
        given = options.model_dump(exclude_unset=True) if options is not None else {}
        _insist_on_right(token, change, ctid, given)
        sent = await service.change(
            lambda producer, own_id: change.ask(producer, ctid, request_id=own_id, **given), token.name, key
        )
        return await service.accepted(sent, wait)

    options = _options_of(change)
    is_needed = any(field.is_required() for field in options.model_fields.values())
    endpoint.__kwdefaults__ = {"wait": 0, "key": ABSENT} | ({} if is_needed else {"options": ABSENT})
    endpoint.__annotations__ = {
        "service": Serving,
        "token": Annotated[Token, Depends(at_least(change.role))],
        "ctid": Ctid,
        "options": options,
        "wait": Wait,
        "key": Key,
        "return": Response,
    }
    return endpoint


def _insist_on_right(token: Token, change: _Change, ctid: int, given: dict[str, Any]) -> None:
    if given.get("adopt") and token.role is not Role.OPERATOR:
        raise Refused(HTTPStatus.FORBIDDEN, "To adopt needs the role operator.")
    if change.role is not Role.VIEWER and not token.may_ask_for(ctid):
        raise Refused(HTTPStatus.FORBIDDEN, f"The token is not for CTID {ctid}.")
