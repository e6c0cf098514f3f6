"""What a queue item must look like for Celery to take it; anybody who reaches Redis may push anything else."""

from __future__ import annotations

import base64
import json
import re
import uuid
from typing import TYPE_CHECKING, Any

from celery.app.task import Context
from kombu.utils.json import dumps

from phoenix_worker.durable.signatures import LISTS, is_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CONTENT_TYPE, ENCODING = "application/json", "utf-8"
_ID_LENGTH = 155
"""As much as Celery's own result tables keep of an id."""
_DEEPEST = 64
"""Brackets within each other. A request has ten; each program that a message passes has a limit of its own."""
_ID = re.compile(r'"(?:id|correlation_id)"\s*:\s*"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')
_EMBEDDED = frozenset({*LISTS, "chord"})
_TEXTS = ("lang", "shadow", "root_id", "parent_id", "group", "argsrepr", "kwargsrepr", "origin")
_COUNTS = ("retries", "replaced_task_nesting", "group_index")
_FLAGS = ("ignore_result",)
_MOST = 2**31 - 1
"""Of what is counted. Redis takes no score of hundreds of digits, and what Celery counts with it would never end."""


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MOST


_KINDS: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (_TEXTS, lambda value: isinstance(value, str), "a text"),
    (_COUNTS, _is_count, f"a whole number from 0 to {_MOST}"),
    (_FLAGS, lambda value: isinstance(value, bool), "true or false"),
)
_HEADERS = frozenset({*_TEXTS, *_COUNTS, *_FLAGS, "task", "id", "eta", "expires", "timelimit"})
"""What a message may tell of itself. Celery has its whole state of a run under the names of headers."""
REFUSED = "phoenix_refused"
"""The header of a refusal that ends a recorded request: name and body of that one. Workers alone put it there."""
_FIRST = frozenset({"args", "kwargs", "taskset", "utc"})
"""What it tells besides in protocol 1."""


def objection(item: Any) -> str | None:
    """Say what keeps a queue item from being run as a task, in protocol 2 or 1; None when nothing does.

    https://docs.celeryq.dev/en/stable/internals/protocol.html
    """
    if not isinstance(item, dict):
        return "it is not a JSON object"
    headers, properties = item.get("headers"), item.get("properties")
    if not isinstance(headers, dict) or not isinstance(properties, dict):
        return "`headers` and `properties` must be objects"
    if wrong := _objection_to_properties(properties):
        return wrong
    body = body_of(item)
    if _is_deep([item, body]):
        return f"lists and objects are nested more than {_DEEPEST} deep"
    if coding := _objection_to_coding(item, headers):
        return coding
    return _objection_to_task(headers, body) if "task" in headers else _objection_to_protocol_1(body)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(one, dict | list) for one in level)


def _objection_to_properties(properties: dict[str, Any]) -> str | None:
    if not isinstance(properties.get("delivery_tag"), str):
        return "`properties.delivery_tag` must be a text"
    if not isinstance(properties.get("delivery_info", {}), dict):
        return "`properties.delivery_info` must be an object"
    if not all(isinstance(properties.get(name) or "", str) for name in ("correlation_id", "reply_to")):
        return "`properties.correlation_id` and `properties.reply_to` must be texts"
    return None


def id_of(item: Any) -> str | None:
    """Return the task id under which a sender may look for an answer, wherever it stands.

    In text that is no JSON, such as a message that was cut off, it is the only one that is named there as an id is.
    """
    if isinstance(item, str):
        named = set(_ID.findall(item))
        return named.pop() if len(named) == 1 else None
    for place in _places_of_id(item):
        if isinstance(place, str) and 0 < len(place) <= _ID_LENGTH:
            return place
    return None


def _places_of_id(item: Any) -> Iterator[Any]:
    """Find where an id may stand: in protocol 2, in protocol 1, where it is the body's, and in what is neither."""
    parts = item if isinstance(item, dict) else {}
    headers, properties = (parts.get(name) for name in ("headers", "properties"))
    if isinstance(headers, dict):
        yield headers.get("id")
    if isinstance(properties, dict):
        body = body_of({**parts, "properties": properties})
        yield body.get("id") if isinstance(body, dict) else None
        yield properties.get("correlation_id")
    yield parts.get("id")


def reduced(item: dict[str, Any]) -> dict[str, Any]:
    """Return a message with no more headers than are taken: Celery reads the state of a run from others, as `stamps`.

    What Celery gives no meaning, such as the headers of tracing, is kept. In protocol 1 the body has what are headers
    in protocol 2.
    """
    if "task" in item["headers"]:
        headers: dict[str, Any] = item["headers"]
        others = {name for name in headers if name == REFUSED or hasattr(Context, name)} - _HEADERS
        kept = {name: value for name, value in headers.items() if name not in others}
        return item | {"headers": kept}
    body = {name: value for name, value in body_of(item).items() if name in _HEADERS | _FIRST}
    encoded = base64.b64encode(json.dumps(body).encode()).decode()
    return item | {"headers": {}, "body": encoded, "properties": item["properties"] | {"body_encoding": "base64"}}


def message(task: str, queue: str, task_id: str, *args: Any) -> dict[str, Any]:
    """Return a queue item that Celery takes, in protocol 2."""
    body = json.dumps([args, {}, {}]).encode()
    return {
        "body": base64.b64encode(body).decode(),
        "content-type": CONTENT_TYPE,
        "content-encoding": ENCODING,
        "headers": {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "argsrepr": repr(args)},
        "properties": {
            "correlation_id": task_id,
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {"exchange": "", "routing_key": queue},
            "body_encoding": "base64",
        },
    }


def _objection_to_coding(item: dict[str, Any], headers: dict[str, Any]) -> str | None:
    if item.get("content-type") != CONTENT_TYPE or str(item.get("content-encoding")).lower() != ENCODING:
        return "`content-type` must be application/json and `content-encoding` utf-8"
    if headers.get("compression") is not None:
        return "`headers.compression` is not supported: send it uncompressed"
    return None


def written(args: Any, kwargs: Any, embed: Mapping[str, Any]) -> str:
    """Write the body of a message as the ledger has it: Celery's clients leave out what embeds nothing."""
    return dumps((args, kwargs, {name: embed.get(name) for name in (*LISTS, "chord")}))


def body_of(item: dict[str, Any]) -> Any:
    """Return the body of a queue item; None when it is not JSON."""
    text, encoding = item.get("body"), item["properties"].get("body_encoding")
    try:
        if encoding == "base64":
            text = base64.b64decode(text or "", validate=True)
        return json.loads(text or "") if encoding in (None, "base64") else None
    except (ValueError, TypeError, RecursionError):
        return None


def _objection_to_task(headers: dict[str, Any], body: Any) -> str | None:
    if not isinstance(headers["task"], str) or id_of({"headers": headers}) is None:
        return "`headers.task` and `headers.id` must be texts"
    if not (isinstance(body, list) and [type(part) for part in body] == [list, dict, dict]):
        return "`body` must be JSON, in base64 if `body_encoding` says so: [[arguments], {keywords}, {embedded}]"
    if not _EMBEDDED.isdisjoint(headers) or not _EMBEDDED.issuperset(body[2]):
        return "callbacks, errbacks, chain and chord are embedded in `body`, and nothing else is"
    signatures = [body[2].get(name) or [] for name in LISTS]
    if not all(isinstance(some, list) and all(map(is_signature, some)) for some in signatures):
        return "`callbacks`, `errbacks` and `chain` in `body` must be lists of signatures as Celery embeds them"
    if body[2].get("chord") is not None and not is_signature(body[2]["chord"]):
        return "`chord` in `body` must be a signature as Celery embeds it"
    return _objection_to_values(headers)


def _objection_to_protocol_1(body: Any) -> str | None:
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in ("task", "id")):
        return "`headers` has no `task`, and `body` is not a message of protocol 1 either"
    if not isinstance(body.get("args", []), list) or not isinstance(body.get("kwargs", {}), dict):
        return "`args` must be a list and `kwargs` an object"
    return _objection_to_values(body)


def _objection_to_values(fields: dict[str, Any]) -> str | None:
    for names, fits, wanted in _KINDS:
        if wrong := [name for name in names if fields.get(name) is not None and not fits(fields[name])]:
            return f"`{wrong[0]}` must be {wanted}"
    return _objection_to_times(fields)


def _objection_to_times(fields: dict[str, Any]) -> str | None:
    """Celery keeps what has an ETA in the memory of a worker, where a restart loses it."""
    if fields.get("eta") is not None:
        return "`eta` (a countdown) is not supported: send the message when it is due"
    if fields.get("timelimit") not in (None, [None, None]):
        return "`timelimit` is not supported: a job has no time limit of its own"
    if fields.get("expires") is not None:
        return "`expires` is not supported: cancel the request when it is not wanted any more"
    return None
