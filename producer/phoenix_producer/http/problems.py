"""Whatever is refused or fails is one problem document, as RFC 9457 has it. No traceback and no secret is in one."""

# No postponed annotations here: FastAPI reads them.
import logging
from http import HTTPStatus
from typing import Any
from uuid import UUID

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from phoenix_producer.client.channel import OtherOptions, Unreachable
from phoenix_producer.contract import ContractError, Failure
from phoenix_producer.http.json_text import json_of_plain
from phoenix_producer.plain_text import plain_line

MEDIA_TYPE = "application/problem+json"
logger = logging.getLogger(__name__)

_NOWHERE = frozenset({"not-declared", "no-such-node"})
_OF_JSON = {"tuple_type": "Input should be a list", "model_attributes_type": "Input should be an object"}
"""For errors that pydantic puts in words of Python."""
_SHOWN = 300
_FIELDS = 20
_REDIS_AWAY = "Redis cannot be used just now. What was accepted is not lost."
_COME_AGAIN = "Ask again in a few seconds. The log of the server says what is wrong with Redis."


class Problem(BaseModel):
    """Why a request was refused, or failed: RFC 9457. A failure of a job has its other fields too."""

    type: str = "about:blank"
    """`about:blank`, or `urn:phoenix-lxc:` and the cause of a job's failure: docs/errors.md explains each."""
    title: str
    status: int
    detail: str
    cause: str | None = None
    """Of a job's failure, or `redis-away`: a short word to branch on."""
    remedy: str | None = None
    errors: tuple[str, ...] | None = None
    """What is wrong with which field."""


class Uncertain(Unreachable):
    """Redis went away while a request was recorded, and may have it: send it again by its id to make sure."""

    def __init__(self, request_id: UUID, error: Unreachable) -> None:
        super().__init__(str(error))
        self.request_id = request_id


class Refused(Exception):  # noqa: N818 - reads as what it is
    """Raised for a request that is answered with a problem document."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def body_of(status: int, detail: str, **more: Any) -> bytes:
    """Write a problem document."""
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, **more)
    return problem.model_dump_json(exclude_none=True).encode()


def response(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """Answer with a problem document."""
    return Response(body_of(status, detail, **more), status, headers, MEDIA_TYPE)


def of_failure(failure: Failure) -> Response:
    """Answer with what a job failed of: its fields, beside those of every problem."""
    status = _status_of(failure.cause)
    problem = {
        "type": f"urn:phoenix-lxc:{failure.cause}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": failure.message,
    }
    document = json_of_plain(problem | failure.model_dump(mode="json", exclude={"message"}))
    return Response(document, status, media_type=MEDIA_TYPE)


def _status_of(cause: str) -> int:
    if cause in _NOWHERE:
        return HTTPStatus.NOT_FOUND
    if cause in {"unexpected", "revoked"}:
        return HTTPStatus.INTERNAL_SERVER_ERROR
    return HTTPStatus.BAD_GATEWAY if cause.startswith("proxmox") else HTTPStatus.CONFLICT


def install(app: FastAPI, description: str) -> None:
    """Have an app answer so whatever goes wrong. `description` is the path of what describes all others."""
    _install_for_requests(app, description)
    _install_for_what_fails(app)


def _install_for_requests(app: FastAPI, description: str) -> None:
    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return response(error.status, error.detail, error.headers)

    @app.exception_handler(HTTPException)
    async def of_the_framework(_: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        told = {
            HTTPStatus.NOT_FOUND: f"There is nothing at this path. {description} has all paths.",
            HTTPStatus.METHOD_NOT_ALLOWED: f"This path takes {headers.get('Allow', 'another method')}.",
        }
        detail = told.get(HTTPStatus(error.status_code), plain_line(str(error.detail))[:_SHOWN])
        return response(error.status_code, detail, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        wrong = tuple(map(_worded, error.errors()[:_FIELDS]))
        return response(HTTPStatus.BAD_REQUEST, "The request is not valid.", errors=wrong)

    @app.exception_handler(ContractError)
    async def conflicting(_: Request, error: ContractError) -> Response:
        return response(HTTPStatus.CONFLICT, plain_line(str(error)))

    @app.exception_handler(OtherOptions)
    async def of_another_body(_: Request, error: OtherOptions) -> Response:
        return response(HTTPStatus.UNPROCESSABLE_ENTITY, plain_line(str(error)))


def _install_for_what_fails(app: FastAPI) -> None:
    @app.exception_handler(Unreachable)
    async def away(_: Request, error: Unreachable) -> Response:
        logger.warning("%s", error)
        remedy = _COME_AGAIN
        if isinstance(error, Uncertain):
            remedy = f"{_COME_AGAIN} With the header Idempotency-Key: {error.request_id} nothing is done twice."
        more = {"cause": "redis-away", "remedy": remedy}
        return response(HTTPStatus.SERVICE_UNAVAILABLE, _REDIS_AWAY, {"Retry-After": "5"}, **more)

    @app.exception_handler(Exception)
    async def broken(_: Request, __: Exception) -> Response:  # the server logs it
        return response(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a fault of phoenix-lxc. See the log of the server.")


def _worded(error: dict[str, Any]) -> str:
    """Say where an error is, and what it is."""
    place, why = ".".join(map(str, error["loc"])), _OF_JSON.get(error["type"], error["msg"])
    return f"{plain_line(place)[:_SHOWN]}: {plain_line(why)[:_SHOWN]}"
