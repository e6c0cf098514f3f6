"""What a page shows as a command is one, also in running text and where `acceptance/test_docs.py` does not run it."""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import Any

import pytest
import typer

from phoenix_producer.cli.phoenix_lxc import app
from tests.support.worker import ROOT

PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
PASSED_ON = {"flower", "worker"}
"""These take each of Celery's options."""


def shown(program: str) -> dict[str, str]:
    """Each command of a program, in running text and in blocks, with the last page that shows it."""
    found: dict[str, str] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        spans = re.findall(rf"`({program}\s[^`]*)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
        blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
        lines = re.findall(rf"^[^#\n│]*?(?<![\w-])({program} [^\n#>&;)\"]*)", blocks, re.MULTILINE)
        found |= {" ".join(one.split()): page.name for one in [*spans, *lines]}
    return found


@cache
def below(path: tuple[str, ...]) -> Any:
    """The command at a path of subcommands, None where there is none."""
    if not path:
        return typer.main.get_command(app)
    at = below(path[:-1])
    return at.get_command(at.context_class(at, info_name=path[-1]), path[-1])


def unknown(command: str) -> str | None:
    """Return the first word that `phoenix-lxc` would refuse: no subcommand, or no option."""
    words = shlex.split(command.replace("|", " "))[1:]
    if words[:1] == ["migrate"] and "--to" in words:  # then it is `move`
        words[0] = "move"
    path: tuple[str, ...] = ()
    options, before = {"-h", "--help"}, ""
    for word in words:
        at = below(path)
        options |= {option for one in at.params for option in one.opts}
        if at.name in PASSED_ON:
            return None
        if word.startswith("-"):
            if word not in options:
                return word
        elif hasattr(at, "list_commands") and re.fullmatch("[a-z]+", word) and not before.startswith("-"):
            path = (*path, word)
            if below(path) is None:
                return word
        before = word
    return None


def test_each_command_that_a_page_shows_has_these_subcommands_and_options() -> None:
    commands = shown("phoenix-lxc")
    assert len(commands) > 60
    assert {command: page for command, page in commands.items() if unknown(command)} == {}


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("phoenix-lxc rebuild 900 --yes", "--yes"),
        ("phoenix-lxc job", "job"),
        ("phoenix-lxc jobs list", "list"),
        ("phoenix-lxc jobs --state failed --since 1d", "--since"),
        ("phoenix-lxc token add NAME --role viewer|operator", None),
        ("phoenix-lxc worker --pool processes", None),
    ],
)
def test_a_wrong_word_is_found(command: str, word: str | None) -> None:
    assert unknown(command) == word


def test_each_target_that_a_page_shows_is_one_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    commands = shown("make")
    assert len(commands) > 20
    assert {one: page for one, page in commands.items() if one.split()[1] not in targets} == {}
