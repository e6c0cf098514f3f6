"""A body is JSON of some size, there in some time, and says each thing once."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from phoenix_producer.http.problems import Refused

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Message, Receive

LARGEST_BODY = 64 * 1024
"""As of a message to the workers."""
BODY_SECONDS = 5.0

_JSON = "application/json"
_PLAIN = "identity"


async def body_of(headers: Headers, receive: Receive) -> bytes:
    """Read a body. Raises Refused for one that is too large, too slow, or may be read in two ways."""
    if "content-length" in headers and "transfer-encoding" in headers:
        raise Refused(HTTPStatus.BAD_REQUEST, "A body has a Content-Length or is chunked, not both.")
    if headers.get("content-encoding", _PLAIN).strip().lower() != _PLAIN:
        refusal = "A body is sent as it is, without Content-Encoding."
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, refusal, **{"Accept-Encoding": _PLAIN})
    body = await _read(receive)
    if not body:
        return body
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        raise Refused(HTTPStatus.BAD_REQUEST, f"A body is JSON: send it with Content-Type: {_JSON}.")
    with suppress(ValueError, RecursionError):  # whoever reads it next says what is wrong
        json.loads(body, object_pairs_hook=_distinct)
    return body


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while more:
                message = await receive()
                body += bytes(message.get("body", b""))
                more = message.get("more_body", False)
                if len(body) > LARGEST_BODY:
                    raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body has {LARGEST_BODY} bytes at most.")
    except TimeoutError:
        raise Refused(HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive in time.") from None
    return body


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    names = {name for name, _ in pairs}
    if len(names) < len(pairs):
        raise Refused(HTTPStatus.BAD_REQUEST, "The body has a name twice; each may be there once.")


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read once more, then what comes after it."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
