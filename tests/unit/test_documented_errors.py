"""Every cause that a failure can have is explained in docs/errors.md."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

CAUSE = "cause"
FILES = [*(ROOT / "worker").rglob("*.py"), *(ROOT / "producer").rglob("*.py")]
TREES = [ast.parse(file.read_text()) for file in FILES if file.name != "testing.py"]
PAGE = (ROOT / "docs" / "errors.md").read_text()
EXPLAINED = re.findall(r"^\| `([^`]+)` \| ", PAGE, re.MULTILINE)


def constants() -> dict[str, ast.expr]:
    """What stands behind a name in capitals, in whatever module."""
    found: dict[str, ast.expr] = {}
    for tree in TREES:
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = node.value
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                found[node.target.id] = node.value
    return found


CONSTANTS = constants()


def places() -> dict[str, int]:
    """Which functions and classes of ours take a cause, and as which argument."""
    found: dict[str, int] = {}
    for tree in TREES:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                names = [argument.arg for argument in node.args.args]
            elif isinstance(node, ast.ClassDef):
                names = [
                    one.target.id
                    for one in node.body
                    if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
                ]
            else:
                continue
            if CAUSE in names:
                found[node.name] = names.index(CAUSE)
    return found


PLACES = places()


def texts(value: ast.expr) -> Iterator[str]:
    """The texts that an expression may be."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str) and re.fullmatch("[a-z][a-z-]+", value.value):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from texts(value.body)
        yield from texts(value.orelse)
    elif isinstance(value, ast.Name | ast.Attribute):
        name = value.id if isinstance(value, ast.Name) else value.attr
        if name.isupper() and name in CONSTANTS:
            yield from texts(CONSTANTS[name])


def paired(target: ast.expr, value: ast.expr) -> Iterator[str]:
    """What is assigned to a `cause`, alone or among others."""
    if isinstance(target, ast.Name) and target.id == CAUSE:
        yield from texts(value)
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        for name, one in zip(target.elts, value.elts, strict=True):
            yield from paired(name, one)


def causes_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.keyword) and node.arg == CAUSE:
        yield from texts(node.value)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == CAUSE:
                yield from texts(value)
    elif isinstance(node, ast.Assign):
        yield from paired(node.targets[0], node.value)
    elif isinstance(node, ast.For) and isinstance(node.iter, ast.Name) and node.iter.id in CONSTANTS:
        rows = CONSTANTS[node.iter.id]
        for row in rows.elts if isinstance(rows, ast.Tuple) else ():
            yield from paired(node.target, row)
    elif isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        place = PLACES.get(name)
        if place is not None and place < len(node.args):
            yield from texts(node.args[place])


CAUSES = {cause for tree in TREES for node in ast.walk(tree) for cause in causes_of(node)} - {"transient"}
"""`transient` is what a TransientError without a cause of its own has; all have one."""


def test_the_search_finds_causes_however_they_are_written() -> None:
    """By keyword, as a name, in a dict, as an argument in order, in a row of a table, by assignment."""
    written = "dependency no-shell internal not-ours proxmox-login tls shell-cut shell-host-key revoked"
    assert set(written.split()) <= CAUSES


def test_every_cause_is_explained_once_and_no_other() -> None:
    assert sorted(EXPLAINED) == sorted(set(EXPLAINED))
    assert set(EXPLAINED) - CAUSES == set(), "explained, and not in the code"
    assert CAUSES - set(EXPLAINED) == set(), "explain it in docs/errors.md"


def test_every_explanation_says_what_to_do() -> None:
    for row in re.findall(r"^\| `.*$", PAGE, re.MULTILINE):
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 3, row
        assert all(cells), row
