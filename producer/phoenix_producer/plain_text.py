"""Text of others, such as script output, names and Proxmox's words, made harmless for whoever shows it."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colors, the cursor; the last may be cut off
    "|(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)?"  # titles, links, clipboards
    "|\x1b[ -/]*[0-~]"
)
_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# Control characters but newline and tab, marks that change the direction of text, halves of surrogate pairs; and what
# shows nothing, so that two names look alike: Unicode's Default_Ignorable_Code_Point, without joiners and variation
# selectors, as some languages cannot be written without them.
_HARMFUL = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff"
    "\U000e01f0-\U000e0fff]"
)
_HALVES = re.compile("[\ud800-\udfff]")


def plain(text: str) -> str:
    """Return the text without escape sequences; other characters that change a terminal become U+FFFD.

    Newlines and tabs stay.
    """
    if text.isascii() and text.isprintable():  # as nearly all of it is
        return text
    return _HARMFUL.sub("\ufffd", _BREAKS.sub("\n", without_escapes(text)))


def without_escapes(text: str) -> str:
    """Return the text without escape sequences, and nothing else changed."""
    return _ESCAPES.sub("", text)


def encodable(text: str) -> str:
    """Return the text with U+FFFD in place of halves of surrogate pairs, which UTF-8 cannot have."""
    return text if text.isascii() else _HALVES.sub("\ufffd", text)


def plain_line(text: str) -> str:
    """Return the text as `plain` does, on one line: newlines and tabs become spaces."""
    return plain(text).replace("\n", " ").replace("\t", " ")


def plain_block(text: str, indent: str = "     ") -> str:
    """Return the text as `plain` does, its further lines indented: none of them passes for a line of its own."""
    return plain(text).replace("\n", f"\n{indent}")
