from __future__ import annotations

import re
import sys
from importlib.resources import files

import pytest

from phoenix_producer.plain_text import _HARMFUL, plain, plain_block, plain_line
from phoenix_worker.proxmox.scripts import readable


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b[0;32mok\x1b[0m", "ok"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07named", "named"),
        ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;Y2xpcA==", ""),
        ("\x1bcreset", "reset"),
        ("\x1b(Bcharset", "charset"),
        ("a\x1b", "a\ufffd"),
        ("cut off\x1b[0;3", "cut off"),
        ("cut off\x1b[\nand on", "cut off\nand on"),
        ("10 %\r20 %\r\ndone", "10 %\n20 %\ndone"),
        ("a\u202eb\u2069", "a\ufffdb\ufffd"),
        ("a\udce4", "a\ufffd"),
        ("root\u200b\u2060\ufeff\U000e0041", "root\ufffd\ufffd\ufffd\ufffd"),
        ("ro\xadot\u034f\u3164\u115f\uffa0", "ro\ufffdot\ufffd\ufffd\ufffd\ufffd"),
        ("\u845b\U000e0100 \u2764\ufe0f", "\u845b\U000e0100 \u2764\ufe0f"),
        ("\u0645\u06cc\u200c\u062e \U0001f469\u200d\U0001f4bb", "\u0645\u06cc\u200c\u062e \U0001f469\u200d\U0001f4bb"),
        ("\ta\nb", "\ta\nb"),
        ("Größe → 1 GiB [0;1]", "Größe → 1 GiB [0;1]"),
    ],
)
def test_what_changes_a_terminal_is_taken_out(given: str, shown: str) -> None:
    assert plain(given) == shown


def test_a_line_is_one_and_a_block_begins_one() -> None:
    assert plain_line("a\r\nb\tc") == "a b c"
    assert plain_block("a\nb") == "a\n     b"


def test_colored_script_output_is_shown_without_remnants() -> None:
    said = b"\x1b[0;32m2026-01-01 [INFO] loud.sh: begins\x1b[0m\n\x1b[0;31mit broke\x1b[0m\nten %\rhundred %\n"
    assert readable(said) == ["2026-01-01 [INFO] loud.sh: begins", "it broke", "hundred %"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"\x1b[31mred\x1b(B\x1b[m\x0f", "red"),
        (b"\x1b[1mbold\x0f done\x07", "bold done"),
        (b"N\bNA\bAM\bME\bE", "NAME"),
        (b"1 %\b\b\b2 %\b\b\b100 %", "100 %"),
        (b"wait |\b/\b-\b \bdone", "wait done"),
        (b"\b\bleft", "left"),
        (b"\x1b]0;title\x07text", "text"),
    ],
)
def test_what_a_terminal_would_not_show_leaves_no_remnant(said: bytes, shown: str) -> None:
    assert readable(said) == [shown]


def test_the_page_takes_the_same_characters_out() -> None:
    """Its own function has them in JavaScript's words; lone halves of surrogate pairs are written alike in both."""
    code = files("phoenix_producer.http").joinpath("static/dom.js").read_text(encoding="utf-8")
    classes = "".join(re.findall(r"'([^']*)'", code.partition("const HARMFUL")[2].partition(", 'gu'")[0]))
    harmful = re.compile(re.sub(r"\\u\{(\w+)\}", r"\\U000\1", classes.replace(r"\\", "\\")))
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    breaks = {*"\v\f\r"}  # newlines to a terminal; HTML has none of them
    assert {*harmful.findall(everything)} == {*_HARMFUL.findall(everything)} | breaks
