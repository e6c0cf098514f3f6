"""Answers as JSON, whatever is in them: a text that is no Unicode ends no answer."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from phoenix_producer.plain_text import encodable


def json_of(kind: Any, value: Any) -> bytes:
    """Write a value of a type as JSON in UTF-8. Halves of surrogate pairs become U+FFFD.

    They stand for bytes that are no UTF-8, which whoever may write to Redis may write there, and come from JSON that
    others wrote. pydantic raises an error for one of them, which would hide all that is listed beside it.
    """
    adapter = _adapter_of(kind)
    try:
        return adapter.dump_json(value)
    except PydanticSerializationError:
        return json_of_plain(adapter.dump_python(value, mode="json"))


@cache
def _adapter_of(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def json_of_plain(value: Any) -> bytes:
    """Write what consists of JSON's own types, as `json_of` does."""
    return encodable(json.dumps(value, ensure_ascii=False)).encode()
