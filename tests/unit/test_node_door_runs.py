"""The forced command for nodes, as sshd runs it: what it runs, tells and logs."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
import syslog
from typing import TYPE_CHECKING

import pytest

from scripts import node_door
from tests.unit.test_node_door import ALLOWED, CONF, PRESENT, REPLACING

if TYPE_CHECKING:
    from pathlib import Path


class Knock:
    """The door as sshd runs it, but for the exec, which is only noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, programs: Path) -> None:
        self._monkeypatch = monkeypatch
        self.ran: list[tuple[str, list[str]]] = []
        self.logged: list[tuple[int, str]] = []
        monkeypatch.setattr(syslog, "syslog", lambda level, line: self.logged.append((level, line)))
        monkeypatch.setattr(sys, "argv", ["door", *ALLOWED])
        monkeypatch.setenv("PATH", str(programs))

    def __call__(self, line: str, stdin: bytes = b"") -> int:
        self._monkeypatch.setenv("SSH_ORIGINAL_COMMAND", line)
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        return node_door.main()

    def note_execs(self) -> None:
        def noted(file: str, argv: list[str]) -> None:
            self.ran.append((file, argv))
            raise SystemExit(0)

        self._monkeypatch.setattr(os, "execvp", noted)


@pytest.fixture
def knock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Knock:
    return Knock(monkeypatch, tmp_path)


def test_what_is_allowed_is_run_without_sudo_by_its_own_words(knock: Knock) -> None:
    knock.note_execs()
    for line in ("pct exec 103 -- sh -c 'echo a b'", "sudo -n -- pct exec 103 -- sh -c 'echo a b'"):
        with pytest.raises(SystemExit):
            knock(line)
    assert knock.ran == [("pct", ["pct", "exec", "103", "--", "sh", "-c", "echo a b"])] * 2
    assert knock.logged == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("pct unlock 200", "CTID 200 (--ctids)"),
        ("sudo -n pct list", "sudo -n pct"),
        ("'unbalanced", "No closing quotation"),
        ("", ""),
        (f"id {'x' * 300}", f"id {'x' * 300}"),
    ],
)
def test_what_is_refused_is_told_twice(
    knock: Knock, capsys: pytest.CaptureFixture[str], line: str, reason: str
) -> None:
    assert knock(line) == 126
    assert capsys.readouterr() == ("", f"phoenix-node-door: not allowed: {reason}\n")
    assert knock.logged == [(syslog.LOG_WARNING, f"phoenix-node-door refused {line[:200]!r}: {reason}")]


def test_what_would_be_refused_is_answered(knock: Knock, capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("phoenix-node-door --foresee", "sudo -n -- phoenix-node-door --foresee"):
        assert knock(line, b'[{"argv": ["id"]}, {"argv": ["pct", "unlock", "200"]}]') == 0
        assert capsys.readouterr() == ('["id", "CTID 200 (--ctids)"]\n', "")


def test_who_asks_for_nothing_gets_nothing(
    knock: Knock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_ORIGINAL_COMMAND", raising=False)
    assert node_door.main() == 126
    assert capsys.readouterr().err == "phoenix-node-door: not allowed: \n"
    assert [line for _, line in knock.logged] == ["phoenix-node-door refused '': "]


def test_a_program_that_is_not_there_ends_as_in_a_shell(knock: Knock, capsys: pytest.CaptureFixture[str]) -> None:
    assert knock("pct list") == 127
    assert capsys.readouterr() == ("", "phoenix-node-door: pct: not found\n")


def test_what_replaces_a_configuration_is_given_what_was_judged(knock: Knock, tmp_path: Path) -> None:
    for name, does in (
        ("cat", f'[ "$*" = {CONF} ] && [ -e {tmp_path}/conf ] && exec /bin/cat {tmp_path}/conf'),
        ("flock", f'printf "%s|" "$@" >{tmp_path}/a; /bin/cat >{tmp_path}/in; exit 76'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(subprocess.CalledProcessError):  # what is not there is compared with nothing
        knock(shlex.join(REPLACING), PRESENT.encode())
    (tmp_path / "conf").write_bytes(PRESENT.replace("keep: a", "keep: \udcfe").encode("utf-8", "surrogateescape"))
    content = PRESENT.replace("keep: a", "keep: \udcff").encode("utf-8", "surrogateescape")
    assert knock(shlex.join(REPLACING), content) == 76
    assert (tmp_path / "in").read_bytes() == content
    assert (tmp_path / "a").read_text() == "|".join((*REPLACING[1:], ""))
    assert knock(shlex.join(REPLACING), PRESENT.replace("mine", "evil").encode()) == 126
    assert knock.logged[0][1].endswith("raw key lxc.hook.start (--raw-keys)")
