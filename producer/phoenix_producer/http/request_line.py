"""The first line of a request: which version of HTTP, and of which host (RFC 9112, section 3)."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

from phoenix_producer.http.problems import Refused

if TYPE_CHECKING:
    from starlette.types import Scope

_ABSOLUTE = re.compile(rb"https?://([^/]*)(.*)", re.IGNORECASE)


def insist_on_version(scope: Scope) -> None:
    """Refuse a version whose requests may end elsewhere than they seem to."""
    if not scope["http_version"].startswith("1."):
        raise Refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "The server speaks HTTP/1.1.")
    if scope["http_version"] == "1.0" and any(name == b"transfer-encoding" for name, _ in scope["headers"]):
        raise Refused(HTTPStatus.BAD_REQUEST, "HTTP/1.0 has no chunks. Send the body with its Content-Length.")


def to_origin_form(scope: Scope) -> None:
    """Turn the target `http://HOST/PATH`, as a client writes it for a proxy, into `/PATH`; its host counts alone."""
    found = _ABSOLUTE.fullmatch(scope["raw_path"])
    if found is None:
        return
    scope["raw_path"] = found[2] or b"/"
    scope["path"] = unquote(scope["raw_path"].decode("ascii"))
    scope["headers"] = [(b"host", found[1]), *(one for one in scope["headers"] if one[0] != b"host")]
