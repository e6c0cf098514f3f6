"""Text of others in the log changes no terminal."""

from __future__ import annotations

import logging
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_worker.telemetry.logs import _Formatter


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_control_character_of_any_text_reaches_the_log(log_format: Literal["text", "json"]) -> None:
    formatter = _Formatter(log_format, ())

    @given(st.text(st.characters(codec="utf-8"), max_size=30) | st.just("\x1b[31mred\x9b0m\u202e"))
    def write(text: str) -> None:
        line = formatter.format(logging.LogRecord("a", logging.INFO, __file__, 1, "%s", (text,), None))
        assert all(one.isprintable() or one in "\n\t" or ord(one) > 0x9F for one in line)
        assert not set(line) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

    write()


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n", "\x85", "\u2028", "\x0b"])
def test_no_text_begins_a_line_of_its_own(log_format: Literal["text", "json"], line_break: str) -> None:
    forged = f"x{line_break}2026-01-01T00:00:00Z [info     ] job done"
    record = logging.LogRecord("a", logging.INFO, __file__, 1, "%s is no task", (forged,), None)
    assert "\n2026" not in _Formatter(log_format, ()).format(record)


@pytest.mark.parametrize(("log_format", "long"), [("text", "\U0001f680" * 100_000), ("json", "x" * 100_000)])
def test_no_line_is_so_long_that_journald_breaks_it(log_format: Literal["text", "json"], long: str) -> None:
    """It does so after 48 KiB, and what follows would be a line that somebody else has written."""
    record = logging.LogRecord("a", logging.INFO, __file__, 1, "%s", (long,), None)
    (line,) = _Formatter(log_format, ()).format(record).split("\n")
    assert len(line.encode()) < 48 * 1024
