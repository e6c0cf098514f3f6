"""Which messages are admitted from anybody who reaches Redis: public tasks under canonical ids, of a limited size.

A message with `JOB_HEADER` says that it is in the ledger; `claim` compares it with what the ledger has. Every other one
is held to the rules here, and so is what it embeds.
"""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any

from phoenix_producer.client.record import JOB_HEADER
from phoenix_worker.durable.message_form import body_of
from phoenix_worker.durable.signatures import (
    LISTS,
    is_canonical,
    listed,
    objection_to_embedded,
    objection_to_queue,
    restrict,
)

if TYPE_CHECKING:
    from collections.abc import Collection

_BODY_BYTES, _HEADER_BYTES = 65536, 16384
"""A request has less than a tenth of it. What is taken is kept in Redis for a week, several times over."""
_EMBEDS = (*LISTS, "chord")


def is_recorded(item: dict[str, Any]) -> bool:
    """Return whether a message says that it is in the ledger."""
    return "task" in item["headers"] and bool(item["headers"].get(JOB_HEADER))


def objection_to_request(item: dict[str, Any], public: Collection[str], queue: str) -> str | None:
    """Say what keeps a message whose form is right from being taken; None when nothing does.

    The options of what it embeds are reduced to what a worker may publish.
    """
    body = body_of(item)
    first = "task" not in item["headers"]
    fields = body if first else item["headers"]
    embed = body if first else body[2]
    options = body.get("kwargs") or {} if first else body[1]
    why = (
        _objection_to_text(item, body)
        or _objection_to_identity(fields, fields.get("taskset" if first else "group"), public)
        or objection_to_queue(fields["task"], options, queue)
        or _objection_to_embedding(embed, public, queue, first=first)
    )
    if why is None and any(embed.get(name) for name in _EMBEDS):
        restrict(fields["id"], embed)
        item["body"] = base64.b64encode(json.dumps(body).encode()).decode()
        item["properties"]["body_encoding"] = "base64"
    return why


def _objection_to_text(item: dict[str, Any], body: Any) -> str | None:
    around = [item["headers"], item["properties"]]
    if len(item["body"]) > _BODY_BYTES or len(json.dumps(around)) > _HEADER_BYTES:
        return f"`body` may have {_BODY_BYTES} bytes, and `headers` with `properties` {_HEADER_BYTES}"
    try:
        json.dumps([around, body], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "`headers` or `body` hold half of a surrogate pair, which is not Unicode text"
    return None


def _objection_to_identity(fields: dict[str, Any], group: Any, public: Collection[str]) -> str | None:
    if fields["task"] not in public:
        return f"{fields['task']} is not a public task; public are {listed(public)}"
    if not is_canonical(fields["id"]):
        return f"the task id {fields['id']!r} is not a UUID in lower case, such as {uuid.uuid4()}"
    if fields.get("retries") or fields.get("replaced_task_nesting"):
        return "`retries` and `replaced_task_nesting` are the workers' own"
    if group is not None and not is_canonical(group):
        return "`group` must be a UUID in lower case"
    return None


def _objection_to_embedding(embed: dict[str, Any], public: Collection[str], queue: str, *, first: bool) -> str | None:
    if first and any(embed.get(name) for name in _EMBEDS):
        return "a message of protocol 1 may not embed others: send it in protocol 2"
    return objection_to_embedded(embed, public, queue)
