"""Every place of the source that gives `phoenix-lxc check` something to say that is not in order.

A site is named by its module, its function and what it calls: `cluster._bridges error`, with a number where a function
has several. What names a reason and leaves the line to its caller is a site too: `cluster._out_of_use: is disabled`.
Where a line is an error or a warning, as the case may be, `say` is the error.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phoenix_worker.core.checkup import line

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

ROOT = Path(str(files("phoenix_worker")))
LEVELS = {"error", "warning"}
Place = tuple[str, int]
"""A file, and a line of it."""


def modules() -> list[Path]:
    """Those that build the lines, but for the one that defines them."""
    folders = [*(ROOT / "core/checkup").glob("*.py"), *(ROOT / "check").glob("*.py"), ROOT / "commands/check.py"]
    return sorted(path for path in folders if path.name != "line.py")


@cache
def sites() -> dict[Place, str]:
    """Name them all, by where they are."""
    found: dict[Place, str] = {}
    for path in modules():
        tree = ast.parse(path.read_text())
        levels = LEVELS & _imported(tree)
        functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
        named = sorted(site for function in functions for site in _of(path.stem, function, levels))
        several, so_far = Counter(what for _, what in named), Counter[str]()
        for where, what in named:
            so_far[what] += 1
            found[str(path), where] = f"{what} {so_far[what]}" if several[what] > 1 else what
    return found


def _imported(tree: ast.Module) -> set[str]:
    return {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}


def _of(module: str, function: ast.FunctionDef, levels: set[str]) -> Iterator[tuple[int, str]]:
    reasons = "tuple[str, str]" in ast.unparse(function.returns or ast.Constant(value=None))
    choices = [node for node in ast.walk(function) if isinstance(node, ast.IfExp)]
    either = {id(name) for choice in choices for name in ast.walk(choice) if _is_level(name, levels)}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and _is_level(node, levels) and id(node) not in either:
            yield node.lineno, f"{module}.{function.name} {node.id}"
        elif isinstance(node, ast.Name) and node.id == "say" and isinstance(node.ctx, ast.Load) and either:
            yield node.lineno, f"{module}.{function.name} error"
        elif reasons and isinstance(node, ast.Tuple) and (words := _words(node.elts[0])):
            yield node.lineno, f"{module}.{function.name}: {words}"


def _is_level(node: ast.AST, levels: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in levels and isinstance(node.ctx, ast.Load)


def _words(text: ast.expr) -> str:
    """Return what a text always says."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    return " … ".join(str(part.value).strip() for part in parts if isinstance(part, ast.Constant))


def recording(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[line.Line]]:
    """Let each line that a check builds from now on be remembered under the site that it comes from."""
    told: dict[str, list[line.Line]] = {}

    class Remembered(line.Line):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            frame = sys._getframe(2)
            site = sites().get((frame.f_code.co_filename, frame.f_lineno))
            if site is not None:
                told.setdefault(site, []).append(self)

    monkeypatch.setattr(line, "Line", Remembered)
    return told
