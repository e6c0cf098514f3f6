"""How a CTID is written: the one grammar of messages, URLs, commands, settings and the catalog."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from phoenix_producer.ctids import FIRST_CTID, LAST_CTID, Ctid, parse_ctid

READ = TypeAdapter(Ctid)
WRITTEN = {"100": 100, "103": 103, "999999999": 999_999_999}
OTHERWISE = [
    "",
    "99",
    "099",
    "0103",
    "1000000000",
    "+103",
    "-103",
    " 103",
    "103\n",
    "1_03",
    "103.0",
    "1e3",
    "١٠٣",
    "1\u06603",
    "x",
]
NO_NUMBERS: list[Any] = [True, None, 103.0, b"103", [103], {}]


def test_its_limits_are_those_of_proxmox() -> None:
    assert (FIRST_CTID, LAST_CTID) == (100, 999_999_999)
    assert [READ.validate_python(ctid) for ctid in WRITTEN.values()] == [*WRITTEN.values()]


@pytest.mark.parametrize("text", WRITTEN)
def test_as_text_it_is_digits_alone(text: str) -> None:
    assert parse_ctid(text) == READ.validate_python(text) == WRITTEN[text]


@pytest.mark.parametrize("given", [*OTHERWISE, *NO_NUMBERS, 99, 1_000_000_000, -103])
def test_whatever_else_is_refused_in_the_same_words(given: Any) -> None:
    assert not isinstance(given, str) or parse_ctid(given) is None
    with pytest.raises(ValidationError) as refused:
        READ.validate_python(given)
    (error,) = refused.value.errors()
    assert (error["type"], error["msg"]) == ("ctid", "a CTID is a number from 100 to 999999999, in digits alone")
