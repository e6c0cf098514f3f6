"""What the packages print is made plain first, or is known to be theirs: nothing goes past `plain_text`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRINTS = {"print", "typer.echo", "sys.stdout.write", "sys.stderr.write"}
_PLAIN = {"plain", "plain_line", "plain_block", "dumps"}
"""Of these, `dumps` writes ASCII."""
_WRITE_PLAINLY = {
    *("job_lines", "lock_lines", "node_lines", "standing_lines", "outcome_lines", "story_lines"),
    *("DriftLines", "TemplateLines", "_tree", "timeline"),
}
"""`test_text_of_others.py` gives each text of others."""
_WRAPS = {"join", "map", "assemble", "Text", "escape"}
_OURS = {
    "cli/__init__.py": {"error.strerror", "error", "what", "remedy"},  # of the system, quoted, or names an extra
    "cli/celery_command.py": {"context.get_help()"},
    "cli/celery_process.py": {"error.name"},  # one of three
    "cli/job_commands.py": {"none", "job_id"},  # the second is a UUID
    "cli/phoenix_lxc.py": {"version('phoenix-lxc')", "handle.ctid", "handle.id"},
    "cli/plugins.py": {"name", "line"},
    "cli/session.py": {"told"},  # of functions that are given text of others too
    "cli/setup_commands.py": {"one", "chosen", "unit_text(one)", "man_page(context.find_root())"},
    "cli/terminal.py": {"time_of_day(progress.at)", "elapsed", "event"},  # the last is made plain one line above
    "http/serve_command.py": {"url"},
    "http/token_command.py": {"secret"},
    "phoenix_worker/celery.py": {"line"},  # the name of a module
    "commands/check.py": {"line.level", "style"},
    "commands/printing.py": {"label", "style"},
    "demo/screen.py": {"line", "text", "table", "log.name"},
    "settings/__main__.py": {"settings_page()", "catalog_page()"},
}


def printed(tree: ast.AST) -> Iterator[str]:
    """Yield each part of what is printed that is neither constant nor made plain."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (ast.unparse(node.func) in _PRINTS or _name(node) == "print"):
            for argument in node.args:
                yield from raw(argument)


def raw(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call):
        yield from raw_of_call(node)
    elif isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        if not ast.unparse(node).partition("[")[0].lstrip("_").isupper():  # no constant of the module
            yield ast.unparse(node)
    else:
        tested = node.test if isinstance(node, ast.IfExp) else None
        for child in ast.iter_child_nodes(node):
            if child is not tested:
                yield from raw(child)


def raw_of_call(call: ast.Call) -> Iterator[str]:
    if isinstance(call.func, ast.Call):  # of what another call made
        yield from raw(call.func)
    elif _name(call) in _WRAPS:
        for argument in call.args:
            yield from raw(argument)
    elif _name(call) not in _PLAIN | _WRITE_PLAINLY:
        yield ast.unparse(call)


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def test_nothing_of_others_is_printed_as_it_is() -> None:
    found = {}
    for file in sorted([*ROOT.glob("producer/**/*.py"), *ROOT.glob("worker/**/*.py")]):
        ours = next((words for end, words in _OURS.items() if str(file).endswith(end)), set())
        if others := set(printed(ast.parse(file.read_text(encoding="utf-8")))) - ours:
            found[str(file.relative_to(ROOT))] = others
    assert found == {}


def test_what_is_printed_as_it_is_is_found() -> None:
    code = 'print(f"{a}: {plain(b)}", file=c)\nconsole.print(Text(x.y))\ntyper.echo(A if q else "b")'
    assert set(printed(ast.parse(code))) == {"a", "x.y"}
