"""Changes to the scripts of the ledger, which are Lua: one word of one line each, or a line that is not there."""

from __future__ import annotations

import re
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mutmut.state import state

from phoenix_worker.durable import ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_INSTEAD = (
    (" == ", " ~= "),
    (" ~= ", " == "),
    (" > ", " >= "),
    (" >= ", " > "),
    (" < ", " <= "),
    (" <= ", " < "),
    (" and ", " or "),
    (" or ", " and "),
    (" + ", " - "),
    (" - ", " + "),
    (" * ", " / "),
    ("if not ", "if "),
    ("true", "false"),
    ("false", "true"),
    (", 1)", ", 2)"),
    ("math.max(", "math.min("),
    ("math.min(", "math.max("),
)
_COMMENT = re.compile(r"^\s*--|^\s*$")
# What may be left out by itself: a call, or a return from the middle.
_STATEMENT = re.compile(r"^\s*(redis\.p?call\(|[a-z_]+\([^=]*\)$|[a-z]+\[[^=]+\] = |if [^\n]* then [^\n]* end$)")


def note_calls() -> None:
    """Have each call of a script noted under the name of its file, as mutmut notes those of functions."""
    attempt = ledger.Ledger.attempt

    def noted(of: ledger.Ledger, script: str, *args: str | float) -> list[Any]:
        state()._stats.add(f"{script}.lua")
        return attempt(of, script, *args)

    ledger.Ledger.attempt = noted  # type: ignore[method-assign, assignment]  # here alone


note_calls()


def mutants() -> dict[str, Callable[[], None]]:
    """What is changed, by a name that says so."""
    found: dict[str, Callable[[], None]] = {}
    for file in sorted(Path(str(ledger._LUA)).iterdir()):
        lines = file.read_text().split("\n")
        for number, line in enumerate(lines):
            for changed in _changes(line):
                text = "\n".join((*lines[:number], changed, *lines[number + 1 :]))
                name = f"{file.name}:{number + 1}: {line.strip()} → {changed.strip() or '(nothing)'}"
                found[name] = partial(_put, file.name, text)
    return found


def _changes(line: str) -> Iterator[str]:
    if _COMMENT.match(line):
        return
    code, dashes, comment = line.partition(" -- ")
    for old, new in _INSTEAD:
        for found in re.finditer(re.escape(old), code):
            yield f"{code[: found.start()]}{new}{code[found.end() :]}{dashes}{comment}"
    if _STATEMENT.match(code):
        yield ""


def _put(name: str, text: str) -> None:
    """Let the next ledger have this text as that file."""
    place = Path(tempfile.mkdtemp(prefix="lua-", dir=Path.cwd()))
    for file in ledger._LUA.iterdir():
        (place / file.name).write_text(text if file.name == name else file.read_text())
    ledger._LUA = place
