"""The commands that texts of the product tell people to type, and the settings to set, read out of the source.

What a text leaves open is shown as `{…}`, with the expression that fills it in.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from phoenix_producer.http.by_http import COMMANDS
from tests.support.node_grammar import PROGRAMS
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_A_SYSTEM = (
    *("apt", "cat", "chmod", "curl", "journalctl", "namei", "pip", "realpath", "redis-cli", "sed", "ssh-keyscan"),
    *("sysctl", "systemctl", "timedatectl", "umount"),
)
_OTHERS = "|".join(map(re.escape, (*PROGRAMS, *OF_A_SYSTEM)))
_OURS = "|".join(sorted({name.split()[0] for name in COMMANDS}))
_QUOTED = re.compile(rf"`((?:phoenix-lxc|{_OTHERS}) [^`]+)`")
_BARE = re.compile(
    rf"(?<![\w/.`-])((?:phoenix-lxc (?:{_OURS})\b|(?:{_OTHERS}) (?=[a-zA-Z'{{-]))"
    r"(?:(?!;| && | \|\| |, |\. | 2>|\.?$).)*)"
)
_SETTING = re.compile(r"\bPHOENIX_[A-Z_]+[A-Z]\b")
_LEFT_OUT = ("worker/phoenix_worker/settings/", "worker/phoenix_worker/catalog/reference.py", "scripts/")
"""What describes settings and keys; scripts tell nothing to users but by their own usage."""
_EXAMPLES = frozenset({"epilog", "Example"})


class Printed(NamedTuple):
    """A command, and the module that prints it, below `worker/phoenix_worker` or `producer/phoenix_producer`."""

    module: str
    command: str

    @property
    def key(self) -> str:
        return f"{self.module}: {re.sub(r'{[^{}]*}', '{}', self.command)}"


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """Each text that is no docstring and no example of a help text, with its module."""
    return tuple(
        (re.sub(r"^(worker/phoenix_worker|producer/phoenix_producer)/", "", name), text)
        for root in ("worker", "producer")
        for path in sorted((ROOT / root).rglob("*.py"))
        if not (name := path.relative_to(ROOT).as_posix()).startswith(_LEFT_OUT)
        for text in _texts_of(ast.parse(path.read_text(encoding="utf-8")))
    )


def _texts_of(tree: ast.Module) -> Iterator[str]:
    nodes = list(ast.walk(tree))
    examples = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) in _EXAMPLES]
    apart = {id(part) for one in examples for part in ast.walk(one)}
    apart |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    apart |= {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if id(node) in apart:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(one.value) if isinstance(one, ast.Constant) else f"{{{_named(one)}}}" for one in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _named(part: ast.expr) -> str:
    assert isinstance(part, ast.FormattedValue)
    named = ast.unparse(part.value)
    return "…" if re.search("[{}`'\"]", named) else named


@cache
def printed() -> frozenset[Printed]:
    """Every command, quoted or not."""
    return frozenset(Printed(module, command.strip()) for module, text in texts() for command in _commands(text))


def _commands(text: str) -> Iterator[str]:
    yield from _QUOTED.findall(text)
    yield from _BARE.findall(_QUOTED.sub("", text))


@cache
def settings() -> dict[str, set[str]]:
    """The settings that a text of more than their name tells of, with the modules that do."""
    found: dict[str, set[str]] = {}
    for module, text in texts():
        for name in _SETTING.findall(text) if " " in text else ():
            found.setdefault(name, set()).add(module)
    return found
