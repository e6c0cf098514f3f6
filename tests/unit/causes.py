"""Every cause that a failure can have, as the code names them: by keyword, in a dict, in a row of a table …"""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING

from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

CAUSE = "cause"
WITHOUT_ONE = "transient"
"""What a TransientError without a cause of its own has; all have one."""
ONLY_BY_HTTP = frozenset({"redis-away"})
"""Of no job: workers count none of them."""


@cache
def causes() -> frozenset[str]:
    """Search all of the code: that takes seconds, so no test module does it when it is imported."""
    files = [*(ROOT / "worker").rglob("*.py"), *(ROOT / "producer").rglob("*.py")]
    trees = [ast.parse(file.read_text()) for file in files if file.name != "testing.py"]
    return frozenset(_Search(trees).found() - {WITHOUT_ONE})


class _Search:
    def __init__(self, trees: list[ast.Module]) -> None:
        self._nodes = [node for tree in trees for node in ast.walk(tree)]
        self._constants = dict(_constants(trees))
        self._places = dict(_places(self._nodes))

    def found(self) -> set[str]:
        return {cause for node in self._nodes for cause in self._causes_of(node)}

    def _causes_of(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.keyword) and node.arg == CAUSE:
            yield from self._texts(node.value)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == CAUSE:
                    yield from self._texts(value)
        elif isinstance(node, ast.Assign):
            yield from self._paired(node.targets[0], node.value)
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Name) and node.iter.id in self._constants:
            rows = self._constants[node.iter.id]
            for row in rows.elts if isinstance(rows, ast.Tuple) else ():
                yield from self._paired(node.target, row)
        elif isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            place = self._places.get(name)
            if place is not None and place < len(node.args):
                yield from self._texts(node.args[place])

    def _texts(self, value: ast.expr) -> Iterator[str]:
        """The texts that an expression may be."""
        if isinstance(value, ast.Constant):
            if isinstance(value.value, str) and re.fullmatch("[a-z][a-z-]+", value.value):
                yield value.value
        elif isinstance(value, ast.IfExp):
            yield from self._texts(value.body)
            yield from self._texts(value.orelse)
        elif isinstance(value, ast.Name | ast.Attribute):
            name = value.id if isinstance(value, ast.Name) else value.attr
            if name.isupper() and name in self._constants:
                yield from self._texts(self._constants[name])

    def _paired(self, target: ast.expr, value: ast.expr) -> Iterator[str]:
        """What is assigned to a `cause`, alone or among others."""
        if isinstance(target, ast.Name) and target.id == CAUSE:
            yield from self._texts(value)
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for name, one in zip(target.elts, value.elts, strict=True):
                yield from self._paired(name, one)


def _constants(trees: list[ast.Module]) -> Iterator[tuple[str, ast.expr]]:
    """What stands behind a name in capitals, in whatever module."""
    for tree in trees:
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                yield node.targets[0].id, node.value
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                yield node.target.id, node.value


def _places(nodes: list[ast.AST]) -> Iterator[tuple[str, int]]:
    """Which functions and classes of ours take a cause, and as which argument."""
    for node in nodes:
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
            yield node.name, names.index(CAUSE)
