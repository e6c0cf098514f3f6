"""What an answer of Proxmox says: its JSON, and nothing that no other program would read as JSON."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

from proxmoxer.backends.https import JsonSerializer

if TYPE_CHECKING:
    import requests

_SHOWN = 100
"""Characters of the type of an answer that is none of Proxmox's."""
_DIGITS = 300
"""Of a whole number; one of some more cannot be compared with a fraction."""
_HALF_LETTER = re.compile(rb"\\u[dD][89a-fA-F]")


class NotProxmoxError(Exception):
    """A successful answer that is not Proxmox's JSON: a login page, a proxy's own page."""


class Serializer(JsonSerializer):  # type: ignore[misc] # proxmoxer publishes no types
    """Hands over the body's `message` too, and does not take a page of HTML for an answer."""

    def loads(self, response: requests.Response) -> Any:
        """Return the `data` of a successful answer. Raises NotProxmoxError where there is none."""
        body = _body(response.content)
        if "data" not in body:
            kind = response.headers.get("Content-Type", "of no type")[:_SHOWN]
            raise NotProxmoxError(f"the answer is {kind}, not Proxmox's JSON")
        return body["data"]

    def loads_errors(self, response: requests.Response) -> dict[str, Any]:
        """Return all that a refusal says; nothing of one that is no JSON."""
        return _body(response.content)


def _body(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
        if _HALF_LETTER.search(content):
            body = json.loads(_whole_letters(body))
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _whole_letters(body: Any) -> str:
    """Write it again, with U+FFFD for half of a surrogate pair: neither Redis nor SSH takes that."""
    return json.dumps(body, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _whole(text: str) -> int:
    return int(text) if len(text) <= _DIGITS else _refuse(text)
