"""What a remedy names is told in HTTP too: the table knows each command, and each option that a text of ours names."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.main

import phoenix_worker
from phoenix_producer.cli.phoenix_lxc import app
from phoenix_producer.contract import Failure
from phoenix_producer.http.by_http import COMMANDS, OPTIONS, told, with_ways
from phoenix_producer.http.guard import Door
from phoenix_producer.http.server import application
from phoenix_producer.http.tokens import TokenFile
from phoenix_producer.standing import Exists, Standing

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKER = Path(phoenix_worker.__file__).parent
NOT_READ_BY_HTTP = ("commands", "check", "core/checkup", "durable/start_options.py")
"""What the command line alone prints, or a worker that does not start."""
OF_OTHERS = r"\b(pct|pvesm|pveum|pvecm|pvenode|pvesh|ha-manager|redis-cli|celery|app|phoenix-node-door)\b[^`;]*"
LEFT_ALONE = {
    "celery.py": {"--pool"},  # a warning of the worker's own start
    "durable/control.py": {"--autoscale"},  # an answer to one of Celery's commands
    "core/allowed/grants.py": {"--users", "--tokens", "--roles", "--privs"},  # the ends of `pveum` commands
    "core/model/case.py": {"--delete", "--template"},  # the end of a `pct set`
    "proxmox/root_commands.py": {"--delete", "--digest"},  # words of a `pct set`
    "proxmox/forced_command.py": {"--foresee"},  # of the node's own script
    "catalog/foreign_keys.py": {"--write"},
    "catalog/refusals.py": {"--write"},  # of `phoenix-lxc migrate`, which is on the command line alone
    "catalog/migration.py": {"--seal"},
}


def texts() -> Iterator[tuple[str, str]]:
    """Each text of the worker's code that is no docstring, with its file; what is put in later is `1`."""
    for path in sorted(WORKER.rglob("*.py")):
        name = path.relative_to(WORKER).as_posix()
        if name.startswith(NOT_READ_BY_HTTP):
            continue
        tree = ast.parse(path.read_text())
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                yield name, "".join(str(one.value) if isinstance(one, ast.Constant) else "1" for one in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (docs | parts):
                yield name, node.value


def test_every_command_is_in_the_table() -> None:
    group = typer.main.get_command(app)
    assert {name.split()[0] for name in COMMANDS} == set(group.list_commands(None))  # type: ignore[attr-defined]


def test_every_way_is_in_the_description_of_the_api() -> None:
    document = application("redis://127.0.0.1/0", Door(TokenFile(Path("/nowhere/tokens.json")))).openapi()
    served = {
        f"{method.upper()} {re.sub(r'{[a-z_]+}', '…', path)}"
        for path, one in document["paths"].items()
        for method in one
    }
    for way in filter(None, COMMANDS.values()):
        path = way.path.partition("?")[0]
        assert (path.replace(way.placeholder, "…") if way.placeholder else path) in served


def test_every_option_is_a_field_of_a_body() -> None:
    document = application("redis://127.0.0.1/0", Door(TokenFile(Path("/nowhere/tokens.json")))).openapi()
    bodies = [one for name, one in document["components"]["schemas"].items() if name.endswith("Options")]
    fields = {name for body in bodies for name in body["properties"]}
    assert {one.split('"')[1] for one in OPTIONS.values()} <= fields


def test_every_command_that_a_text_names_is_told_by_http() -> None:
    commands = "|".join(name for name in COMMANDS if " " not in name)
    named = [(file, text) for file, text in texts() if re.search(rf"phoenix-lxc ({commands})\b", text)]
    assert len(named) > 15
    for file, text in named:
        assert "By HTTP: " in with_ways(text), (file, text)


def test_every_option_that_a_text_names_is_in_the_table() -> None:
    found = 0
    for file, text in texts():
        options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", re.sub(OF_OTHERS, "", text)))
        options -= LEFT_ALONE.get(file, set())
        assert options <= OPTIONS.keys(), (file, text)
        found += len(options)
    assert found >= 4


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("Use `--adopt`.", '`--adopt` is `"adopt": true` in the body'),
        (
            "`phoenix-lxc rebuild 900` builds it again.",
            "`phoenix-lxc rebuild 900` is `POST /v1/containers/900/rebuild`",
        ),
        (
            "`phoenix-lxc rebuild 901 900`.",
            (
                "`phoenix-lxc rebuild 901 900` is `POST /v1/containers/901/rebuild` and "
                "`POST /v1/containers/900/rebuild`, each after the one that it is cloned from"
            ),
        ),
        (
            "Stop it: `phoenix-lxc adopt 900 --seal 900`.",
            '`phoenix-lxc adopt 900 --seal 900` is `POST /v1/containers/900/adopt` with `{"seal": true}`',
        ),
        (
            "`phoenix-lxc move 103 --to pve2 --restart`.",
            (
                "`phoenix-lxc move 103 --to pve2 --restart` is `POST /v1/containers/103/migrate` with "
                '`{"to": "pve2", "restart": true}`'
            ),
        ),
        ("Or `phoenix-lxc undrain` one.", "`phoenix-lxc undrain` is `POST /v1/nodes/NODE/undrain`"),
        (
            "`phoenix-lxc migrate 103 --to pve2`.",
            '`phoenix-lxc migrate 103 --to pve2` is `POST /v1/containers/103/migrate` with `{"to": "pve2"}`',
        ),
        ("Run: phoenix-lxc migrate FILE --write.", "`phoenix-lxc migrate` is on the command line alone"),
        ("phoenix-lxc plan --all names them.", "`phoenix-lxc plan --all` is `GET /v1/plan`"),
        ("`phoenix-lxc destroy ../../x`.", "`phoenix-lxc destroy ../../x` is `POST /v1/containers/…/destroy`"),
    ],
)
def test_the_way_is_added_to_the_text(text: str, way: str) -> None:
    assert with_ways(text) == f"{text} By HTTP: {way}."


@pytest.mark.parametrize(
    "text", ["", "Ask again.", "`pct migrate 103 pve2 --restart`.", "phoenix-lxc began to make it.", "See --help."]
)
def test_what_names_nothing_of_ours_stays_as_it_is(text: str) -> None:
    assert with_ways(text) == text


def test_whatever_says_what_to_do_has_the_way() -> None:
    failure = Failure(request_id="1", ctid=103, message="As `--adopt`.", cause="not-ours", remedy="Use `--adopt`.")
    assert told(failure).remedy.endswith('By HTTP: `--adopt` is `"adopt": true` in the body.')
    assert told(failure).message == failure.message
    outdated = "To build it again: `phoenix-lxc rebuild 900`."
    standing = Standing(
        ctid=900, name="a", role="template", state="running", node="pve", exists=Exists.TEMPLATE, outdated=(outdated,)
    )
    (shown,) = told([standing])
    assert shown.outdated == (with_ways(outdated),) != (outdated,)
