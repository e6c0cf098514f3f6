"""Every command that the product prints for somebody to type: it can be typed, and where it is typed in a test.

A new one without a row here fails, as do a row whose test does not exist, and a row of what is printed no more.
"""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from phoenix_producer.cli import session, upkeep_commands
from phoenix_producer.cli.phoenix_lxc import app
from phoenix_producer.http.tokens import TOKENS_VARIABLE
from phoenix_worker.settings.page import settings_page
from tests.support.node_grammar import PROGRAMS, understood
from tests.unit.remedy_rows import COMMANDS, REASONS, SETTINGS
from tests.unit.remedy_texts import Printed, printed, settings, texts

if TYPE_CHECKING:
    from collections.abc import Iterable

TESTS = Path(__file__).parents[1]
_SAMPLES = {
    "node": "pve2",
    "storage": "tank",
    "name": "before",
    "volume": "tank:vm-103-disk-0",
    "disk.volume": "tank:vm-103-disk-0",
    "key": "mp0",
    "job": "103-0",
    "places[0]": "/vms",
    "role": "Phoenix",
    "nodes": "pve1,pve2",
    "more": "",
    "modify": "--users a@pve --tokens a@pve!b --roles Phoenix",
    "add": "--privs VM.Audit",
    "append": "--privs VM.Audit",
    "allow": "images,rootdir",
    "file": "catalog.json",
}
_OPEN = {"pvesr delete {name}": "103-0"}
"""What a name stands for in one command alone."""
_STARTS = frozenset({"catalog", "check", "demo", "migrate", "worker"})
"""Those that read files, or begin something: a test types each."""
_LEFT_TO_SYSTEMS = {
    "cat /etc/ssh/ssh_host_*.pub | ssh-keygen -lf -", "apt install skopeo", "journalctl -u pvedaemon",
    "systemctl reload pveproxy", "systemctl restart pvedaemon pveproxy", "timedatectl set-ntp true",
}  # fmt: skip
_ON_ITS_NODE = ("pct ", "pvecm updatecerts", "pvenode", "pvesm status", "pvesm free", "umount ", "sysctl ", "apt ")


def filled(one: Printed) -> str:
    """The command with something in each place that a text leaves open."""

    def sample(found: re.Match[str]) -> str:
        return _OPEN.get(one.command, _SAMPLES.get(found[1], "103"))

    return re.sub(r"{([^{}]*)}", sample, one.command.replace('"$path"', "/vms"))


def asked(programs: Iterable[str]) -> list[Printed]:
    return [
        one for one in sorted(printed()) if one.command.split()[0] in programs and COMMANDS.get(one.key) != "mention"
    ]


def test_every_command_has_its_row() -> None:
    assert {one.key for one in printed()} == COMMANDS.keys()


def test_every_setting_that_a_remedy_names_has_its_row_and_is_one() -> None:
    assert settings().keys() == SETTINGS.keys()
    assert set(SETTINGS) <= set(re.findall(r"`(PHOENIX_[A-Z_]+)`", settings_page()))


def test_each_row_names_a_test_or_a_reason() -> None:
    named = [*COMMANDS.values(), *SETTINGS.values()]
    absent = [one for one in named if one not in REASONS and one.partition("::")[2] not in _tests_of(one)]
    assert absent == []
    assert set(REASONS) <= set(named), "a reason that nothing has any more"


@cache
def _defined(file: str) -> frozenset[str]:
    path = TESTS / file
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def _tests_of(named: str) -> frozenset[str]:
    return _defined(named.partition("::")[0])


def test_a_node_takes_each_of_its_commands() -> None:
    for one in asked(PROGRAMS):
        understood(filled(one))


@pytest.mark.parametrize(
    "line",
    [
        "pct unlock", "pct destroy 103 --purge-it 1", "pct destroy x", "pct delsnapshot 103",
        "pct lock 103", "pct set 103 --mq0 x",
        "pvesm set tank --disable", "pvesm free tank", "pveum role add Phoenix --append 1", "ha-manager remove 103",
    ],
)  # fmt: skip
def test_the_grammar_refuses_what_a_node_refuses(line: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        understood(line)


def test_each_command_of_one_node_is_said_to_be_for_a_node() -> None:
    """`pct` finds the containers of its own node alone."""
    for module, text in texts():
        quoted = re.findall(r"`([^`]+)`", text)
        if any(one.startswith(_ON_ITS_NODE) for one in quoted) and COMMANDS.get(f"{module}: {quoted[0]}") != "mention":
            assert re.search(r"\bon\b|\bOn\b", text) or _is_part(text), (module, text)


def _is_part(text: str) -> bool:
    """A list of commands, or one of them, that another text says where to type."""
    return re.fullmatch(r"(`[^`]+`(, then |, | \(an error if it is not mounted\))?)+", text) is not None


def test_kernel_settings_have_names_that_the_kernel_has() -> None:
    for one in asked({"sysctl"}):
        name, has_value, _ = one.command.split()[-1].partition("=")
        assert not has_value or Path("/proc/sys", *name.split(".")).exists(), one


def test_what_is_left_to_other_programs_is_known() -> None:
    others = asked({"apt", "cat", "journalctl", "systemctl", "timedatectl"})
    assert {one.command for one in others} == _LEFT_TO_SYSTEMS


def test_the_command_line_takes_each_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As far as Redis: whatever is wrong with the words ends with 2 before anything is asked."""

    def nobody_answers(_: object) -> None:
        raise typer.Exit(1)

    monkeypatch.setattr(session, "greet", nobody_answers)
    monkeypatch.setattr(upkeep_commands, "somebody_is_there", lambda: True)
    monkeypatch.setenv(TOKENS_VARIABLE, str(tmp_path / "tokens.json"))
    for line in {re.sub(r"\b(CTID)\b", "103", filled(one)) for one in asked({"phoenix-lxc"})}:
        _, verb, *rest = shlex.split(line)
        if verb not in _STARTS:
            done = CliRunner().invoke(app, [verb, *rest], input="103\n")
            assert done.exit_code in {0, 1}, (line, done.output)


def test_a_path_in_a_command_is_quoted() -> None:
    """A directory may have a blank in its name. `realpath` and `namei` get theirs quoted already."""
    paths = {
        (one.module, place)
        for one in printed()
        for place in re.findall(r"{([^{}]*)}", one.command)
        if re.search(r"(^|[._])(file|path|directory)\b", place) and "quote(" not in place
    }
    assert paths == {("proxmox/root_commands.py", "path")}
