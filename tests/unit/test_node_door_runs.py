"""The forced command for nodes, as sshd runs it: what it runs, tells and logs."""

from __future__ import annotations

import hashlib
import io
import os
import shlex
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
        try:
            return node_door.main()
        except SystemExit as ended:
            return int(str(ended.code))

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
        assert knock(line) == 0
    assert knock.ran == [("pct", ["pct", "exec", "103", "--", "sh", "-c", "echo a b"])] * 2
    assert knock.logged == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("pct unlock 200", "CTID 200 (--ctids)"),
        ("sudo -n pct list", "sudo -n pct"),
        ("'unbalanced", "No closing quotation"),
        ("", "a login without a command"),
        (f"id {'x' * 300}", f"id {'x' * 300}"),
    ],
)
def test_what_is_refused_is_told_twice(
    knock: Knock, capsys: pytest.CaptureFixture[str], line: str, reason: str
) -> None:
    assert knock(line) == 126
    assert capsys.readouterr() == ("", f"phoenix-node-door: not allowed: {reason}\n")
    assert knock.logged == [(syslog.LOG_WARNING, f"phoenix-node-door refused {line[:200]!r}: {reason}")]


@pytest.mark.parametrize(
    ("line", "stdin", "shown"),
    [
        (b"cat /\xff", b"", r"cat '/\udcff'"),
        (b"pct unlock '1\nNov 28 node sshd[1]: Accepted'", b"", r"CTID 1\nNov 28 node sshd[1]: Accepted (--ctids)"),
        (b"pct unlock '\x1b[2J\xe2\x80\xae'", b"", r"CTID \x1b[2J\u202e (--ctids)"),
        (b"phoenix-node-door --foresee", b"[1]", "what is foreseen, unless it is a list of commands"),
        (b"id " + b"x" * 5000, b"", "id " + "x" * 5000),
        (b"phoenix-node-door --foresee", b" " * (16 * 1024**2 + 1), "more than 16 MiB of input"),
    ],
)
def test_text_of_others_is_one_line_in_the_log(
    knock: Knock, capsys: pytest.CaptureFixture[str], line: bytes, stdin: bytes, shown: str
) -> None:
    """Real syslog refuses what UTF-8 cannot say, and a line break would begin a line of somebody else's."""
    text = line.decode("utf-8", "surrogateescape")
    assert knock(text, stdin) == 126
    assert capsys.readouterr().err == f"phoenix-node-door: not allowed: {shown}\n"
    (logged,) = (said for _, said in knock.logged)
    assert logged == f"phoenix-node-door refused {text[:200]!r}: {shown[:2000]}"
    assert logged.isprintable()
    assert logged.encode()


def test_what_would_be_refused_is_answered(knock: Knock, capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("phoenix-node-door --foresee", "sudo -n -- phoenix-node-door --foresee"):
        assert knock(line, b'[{"argv": ["id"]}, {"argv": ["pct", "unlock", "200"]}]') == 0
        assert capsys.readouterr() == ('["id", "CTID 200 (--ctids)"]\n', "")


def test_who_asks_for_nothing_gets_nothing(
    knock: Knock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_ORIGINAL_COMMAND", raising=False)
    assert node_door.main() == 126
    assert capsys.readouterr().err == "phoenix-node-door: not allowed: a login without a command\n"
    assert [line for _, line in knock.logged] == ["phoenix-node-door refused '': a login without a command"]


def test_a_program_that_is_not_there_ends_as_in_a_shell(knock: Knock, capsys: pytest.CaptureFixture[str]) -> None:
    assert knock("pct list") == 127
    assert capsys.readouterr() == ("", "phoenix-node-door: pct: not found\n")


def sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def test_what_replaces_a_configuration_is_given_what_was_judged(knock: Knock, tmp_path: Path) -> None:
    for name, does in (
        ("cat", f'[ "$*" = {CONF} ] && [ -e {tmp_path}/conf ] && exec /bin/cat {tmp_path}/conf'),
        ("flock", f'printf "%s|" "$@" >{tmp_path}/a; /bin/cat >{tmp_path}/in; exit 7'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    old, new, evil = (
        PRESENT.replace(*change).encode("utf-8", "surrogateescape")
        for change in (("keep: a", "keep: \udcfe"), ("keep: a", "keep: \udcff"), ("mine", "evil"))
    )
    replacing = [*REPLACING[:-2], sha1(old), sha1(new)]
    assert knock(shlex.join(replacing), new) == 76, "the container is gone"
    (tmp_path / "conf").write_bytes(old)
    assert knock(shlex.join(replacing), new) == 7
    assert (tmp_path / "in").read_bytes() == new
    assert (tmp_path / "a").read_text() == "|".join((*replacing[1:], ""))
    assert knock(shlex.join([*replacing[:-1], sha1(evil)]), evil) == 126
    assert knock.logged[0][1].endswith("raw key lxc.hook.start (--raw-keys)")
    (tmp_path / "a").unlink()
    assert knock(shlex.join(replacing), new[:-1]) == 77, "not all has come in"
    (tmp_path / "conf").write_bytes(evil)
    assert knock(shlex.join(replacing), new) == 76, "what is judged is what the worker has read"
    assert not (tmp_path / "a").exists()
    assert len(knock.logged) == 1
