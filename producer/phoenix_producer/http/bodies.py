"""A body is JSON of some size, there in some time, and says each thing once."""

from __future__ import annotations

import asyncio
import json
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
    if int(headers.get("content-length", 0)) > LARGEST_BODY:  # who waits for `100 Continue` need not send it
        raise _too_large()
    if headers.get("content-encoding", _PLAIN).strip().lower() != _PLAIN:
        refusal = "A body is sent as it is, without Content-Encoding."
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, refusal, **{"Accept-Encoding": _PLAIN})
    body = await _read(receive)
    if not body:
        return body
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        raise Refused(HTTPStatus.BAD_REQUEST, f"A body is JSON: send it with Content-Type: {_JSON}.")
    _insist_on_json(body)
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
                    raise _too_large()
    except TimeoutError:
        raise Refused(HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive in time.") from None
    return body


def _too_large() -> Refused:
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body has {LARGEST_BODY} bytes at most.")


def _insist_on_json(body: bytes) -> None:
    """Refuse what is no JSON, or JSON in another encoding than UTF-8, in which a proxy may have read something else."""
    try:
        json.loads(body.decode("utf-8-sig"), object_pairs_hook=_distinct, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise _unreadable(f"it is not UTF-8 at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise _unreadable(f"{error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError):
        raise _unreadable("a number in it has too many digits, or it is nested too deeply") from None


def _unreadable(why: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, f"The body cannot be read as JSON: {why}.")


def _no_number(name: str) -> None:
    raise _unreadable(f"{name} is not a number there")


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
