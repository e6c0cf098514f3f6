"""The line in a container's notes that says it is ours.

It names its own CTID, because a clone inherits its source's notes: a marker with another CTID means that somebody
cloned one of our containers by hand. The tag `phoenix` is for people and proves nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from phoenix_producer.ctids import parse_ctid
from phoenix_worker.catalog.declaration import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE = re.compile(r"phoenix-lxc:(?P<fields>(\s+\w+=[\w.:,+~-]*)+)")
_MARKUP = r"</?[a-z][^<>]*>|<!--|-->"
_BEFORE = re.compile(rf"([\s>*_+#`|\ufeff\u200b-\u200f\u2060-]|[0-9]+[.)]\s|\[[ x]\]\s|{_MARKUP})*", re.IGNORECASE)
_CLOSING = rf"[\s*`|\\;\ufeff\u200b-\u200f\u2060]|{_MARKUP}"
_AFTER = re.compile(rf"({_CLOSING})*", re.IGNORECASE)
"""What editors put around a line: quotes, lists, code, tags, marks that nobody sees."""
_ESCAPE = re.compile(r"\\(?=[_~*+:.-])")
"""What editors of Markdown put before such a character in a line."""
_EMPHASIS = re.compile(r"[\s_*`|\\;\ufeff\u200b-\u200f\u2060]*")
"""What ends a line that `_` begins, read from its end: the last value of ours would take it in."""
_HEX = "[0-9a-f]{8,}"
_FIELD = re.compile(
    rf"(ctid=[0-9]+|(id|build)=({_HEX}|adopted)|as=(container|template|scratch)|stage=(made|configured)|hash={_HEX}|"
    rf"from=((?=[^\s=]*?\.tar)[\w.+~-]+|[0-9]+(,linked)?)|(via|copy)=[0-9]+|scripts=[\w.:,+~-]+:{_HEX}|"
    rf"verified={_HEX})(\s+|(?=[^\w\s])|_+|$)"
)
_REST = re.compile(rf"({_CLOSING}|_)*", re.IGNORECASE)
"""What ends a line, also one that `_` begins."""
_ENCODED = re.compile(r"phoenix-lxc%3a", re.IGNORECASE)

ADOPTED = "adopted"
"""The creation id of a container that we did not make: of every one."""
TASK_DIGITS = 8
"""Characters of a creation id that name the task; those that follow count how often it had been replaced."""
LINKED = "linked"
LONGEST_NOTES = 8192
"""Characters that Proxmox takes as notes."""
_SCRIPT_HASH = 8
"""Characters of a script's hash that the line holds; earlier versions wrote more."""


class Stage(StrEnum):
    """How far a container has come."""

    MADE = "made"
    CONFIGURED = "configured"


@dataclass(frozen=True, slots=True)
class Marker:
    """The fields of the line. `declaration` is the hash of what was declared when it was configured.

    `origin` is what it was made from: a template's CTID, with `,linked` for a linked clone, or the file name of an OS
    template. It is empty for what others made, and in markers of versions that did not write it.
    """

    ctid: int
    creation: str
    role: Role
    stage: Stage
    declaration: str
    origin: str = ""
    scripts: tuple[tuple[str, str], ...] = ()
    """Name and hash, as `script_mark` has them, of each script that ran to a good end."""
    verified: str = ""
    """The hash of the declaration with which it was last found well."""
    build: str = ""
    """The creation id of the template that it was cloned from; empty where that had none, and in older markers."""
    via: int | None = None
    """The copy of that template that it was cloned from; None for the template itself."""
    copy_of: int | None = None
    """The template that it is a copy of."""
    bound_for: str = ""
    """The node that it is to be migrated to before it is converted, of a copy that is cloned from its template."""

    @property
    def template(self) -> int | None:
        """The CTID of what it was cloned from; None for what was not cloned."""
        return parse_ctid(self.origin.partition(",")[0])


def are_of_one_task(creation: str, other: str) -> bool:
    """Return whether one task gave two creation ids, however often it was replaced by steps that end in itself."""
    return creation[:TASK_DIGITS] == other[:TASK_DIGITS]


@lru_cache(maxsize=128)  # each look reads its notes a dozen times
def read_marker(notes: str, ctid: int | None = None) -> Marker | None:
    """Read the marker from a container's notes, wherever it stands; None when there is none that is whole.

    Of several the last one that names `ctid` counts: the others are what people copied from elsewhere.
    """
    found = [marker for _, marker in _lines(notes) if marker is not None]
    return next((marker for marker in reversed(found) if marker.ctid == ctid), found[0] if found else None)


def _lines(notes: str) -> Iterator[tuple[str, Marker | None]]:
    """Give the lines of the notes, each with the marker in it; what an editor has wrapped is one line.

    Notes that were encoded for a URL twice, as some clients do, are read as they were written.
    """
    ours, whole = "", ""
    for line in (unquote(notes) if _ENCODED.search(notes) else notes).splitlines(keepends=True):
        text = _ESCAPE.sub("", _BEFORE.sub("", line, count=1))
        if ours and _goes_on(text):
            ours, whole = ours + line, whole + text
            continue
        if ours:
            yield ours, _read_line(whole)
            ours = whole = ""
        if text.startswith("phoenix-lxc:"):
            ours, whole = line, _ESCAPE.sub("", line)
        else:
            yield line, None
    if ours:
        yield ours, _read_line(whole)


def _goes_on(text: str) -> bool:
    """Return whether a line holds nothing but fields of ours and what ends a line: an editor has wrapped ours there.

    One field after the other, none of which is given back: whoever may write notes could have them read for hours.
    """
    text, at = text.lstrip(), 0
    while found := _FIELD.match(text, at):
        at = found.end()
    return at > 0 and _REST.fullmatch(text, at) is not None


def _read_line(line: str) -> Marker | None:
    text = _BEFORE.sub("", line, count=1)
    if "_" in line.partition("phoenix-lxc:")[0]:
        text = _EMPHASIS.sub("", text[::-1], count=1)[::-1]
    found = _LINE.match(text)
    if found is None or _AFTER.fullmatch(text, found.end()) is None:
        return None
    fields = dict(part.split("=", 1) for part in found["fields"].split())
    try:
        return Marker(
            ctid=_ctid(fields["ctid"]),
            creation=fields["id"],
            role=Role(fields["as"]),
            stage=Stage(fields["stage"]),
            declaration=fields["hash"],
            origin=fields.get("from", ""),
            scripts=tuple(_pair(part) for part in fields.get("scripts", "").split(",") if part),
            verified=fields.get("verified", ""),
            build=fields.get("build", ""),
            via=_ctid(fields["via"]) if "via" in fields else None,
            copy_of=_ctid(fields["copy"]) if "copy" in fields else None,
            bound_for=fields.get("to", ""),
        )
    except (KeyError, ValueError):
        return None


def _ctid(text: str) -> int:
    ctid = parse_ctid(text)
    if ctid is None:
        raise ValueError(text)
    return ctid


def script_mark(name: str, ran: str) -> tuple[str, str]:
    """Return the name and the hash of a script as the line holds them."""
    return name, ran[:_SCRIPT_HASH]


def write_marker(marker: Marker, description: str = "") -> str:
    """Return the notes of a container: what its owner declared, then our line."""
    line = (
        f"phoenix-lxc: ctid={marker.ctid} id={marker.creation} as={marker.role} "
        f"stage={marker.stage} hash={marker.declaration}"
    )
    if marker.origin:
        line += f" from={marker.origin}"
    if marker.build:
        line += f" build={marker.build}"
    if marker.via is not None:
        line += f" via={marker.via}"
    if marker.copy_of is not None:
        line += f" copy={marker.copy_of}"
    if marker.bound_for:
        line += f" to={marker.bound_for}"
    if marker.scripts:
        line += f" scripts={','.join(f'{name}:{ran}' for name, ran in marker.scripts)}"
    if marker.verified:
        line += f" verified={marker.verified}"
    return f"{description.rstrip()}\n\n{line}" if description.strip() else line


def _pair(text: str) -> tuple[str, str]:
    name, _, ran = text.rpartition(":")
    return script_mark(name, ran)


def without_marker(notes: str) -> str:
    """Return the notes as their owner wrote them; lines that only look like ours are the owner's."""
    kept = (line for line, marker in _lines(notes) if marker is None)
    return re.sub(r"(?<!\r)\r+\n", "\n", "".join(kept)).strip()
