"""A request asks what the description has, and says each thing once.

Anything else would be passed over in silence: `destroy?dry_run=true` would destroy, as `dry_run` belongs into the body.
"""

# No postponed annotations here: FastAPI reads them.
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import Request
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from phoenix_producer.http.problems import Refused
from phoenix_producer.plain_text import plain_line

ABSENT: Any = None
"""Not given. With `None` as a type of its own, pydantic would describe each error twice, and FastAPI no limits."""
_ONCE = ("idempotency-key", "last-event-id", "content-type")
_SHOWN = 50
_DECIMALS = re.compile(r"[0-9]+([.][0-9]+)?|[.][0-9]+")
_GROUPS = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Operation(NamedTuple):
    """What one may be asked with."""

    query: Mapping[str, bool]
    """Each parameter, and whether it may be there several times."""
    has_body: bool


def operations_in(description: Mapping[str, Any]) -> dict[tuple[str, str], Operation]:
    """Read each operation of an OpenAPI description, by method and path."""
    return {
        (method.upper(), path): Operation(
            {
                one["name"]: one["schema"].get("type") == "array"
                for one in operation.get("parameters", ())
                if one["in"] == "query"
            },
            "requestBody" in operation,
        )
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    }


def summary_of(asked: Callable[..., Any]) -> str:
    """Return what a function does, by its docstring, without what it raises: clients get a problem document instead."""
    return (asked.__doc__ or "").partition("\n")[0].partition(" Raises ")[0]


async def insist_on_the_described(request: Request) -> None:
    """Raise Refused for parameters, headers or a body that would be passed over."""
    operation: Operation = request.app.state.operations[request.method, request.scope["route"].path]
    for name, given in ((name, request.query_params.getlist(name)) for name in request.query_params):
        if name not in operation.query:
            known = f"It has {', '.join(operation.query)}." if operation.query else "It has none."
            raise _refused(f"There is no parameter {plain_line(name)[:_SHOWN]} here. {known}")
        if len(given) > 1 and not operation.query[name]:
            raise _refused(f"The parameter {name} is there twice; it may be there once.")
    for name in _ONCE:
        if len(request.headers.getlist(name)) > 1:
            raise _refused(f"The header {name} is there twice; it may be there once.")
    body = (await request.body()).strip()
    if body == b"null":
        raise _refused("A body is an object; leave it out for no options.")
    if body and not operation.has_body and b"".join(body.split()) != b"{}":
        raise _refused("Nothing is read from a body here. Leave it out.")


def _refused(detail: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, detail)


def _in_groups(given: Any) -> Any:
    if isinstance(given, str) and not _GROUPS.fullmatch(given):
        raise PydanticCustomError("id", "an id is a UUID, written as 5b0e2f0a-3f5e-4a8e-9d5b-2f6d1c7e8a90")
    return given


def _in_decimals(given: Any) -> Any:
    if isinstance(given, str) and not _DECIMALS.fullmatch(given):
        raise PydanticCustomError("number", "a number is written as 30 or 0.5")
    return given


PLAIN_NUMBER = BeforeValidator(_in_decimals)
"""Of a number in a URL: not `1_0`, `+5` or `1e2`, which pydantic takes too."""
ID_PATTERN = f"^{_GROUPS.pattern}$"
UrlId = Annotated[UUID, BeforeValidator(_in_groups)]
"""The id of a request in a URL or header; not in braces, after `urn:uuid:` or without hyphens, which pydantic takes."""
