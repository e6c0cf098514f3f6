"""What every node shell does, whichever way it goes to the node."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.core.errors import PermanentError, TransientError
from phoenix_worker.proxmox.local_shell import LocalShell
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_worker.core.ports import NodeShell

NODE = "pve1"
SHOW_ARGUMENTS = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"


@pytest.fixture
def shell() -> NodeShell:
    return LocalShell(NODE)


def test_output_errors_and_exit_code_are_told_apart(shell: NodeShell) -> None:
    ran = shell.run(NODE, ["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (ran.exit_code, ran.out, ran.err) == (7, b"out\n", b"err\n")


def test_stdin_arrives_whole_and_ends(shell: NodeShell) -> None:
    data = bytes(range(256)) * 4096
    assert shell.run(NODE, ["cat"], stdin=data).out == data
    assert shell.run(NODE, ["cat"]).out == b"", "no stdin is an empty one"


def test_a_command_that_reads_no_stdin(shell: NodeShell) -> None:
    assert shell.run(NODE, ["true"], stdin=b"x" * 1_000_000).exit_code == 0


def test_much_output_on_both_sides_at_once(shell: NodeShell) -> None:
    ran = shell.run(NODE, ["sh", "-c", "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero"])
    assert (len(ran.out), len(ran.err)) == (3_000_000, 3_000_000)


@pytest.mark.parametrize(
    "argument",
    ["", " ", "a b", "'", '"', "$(id)", "`id`", "a;b", "a\nb", "\\", "*", "~", "-n", "ä€", "A=b", "!x", "\udcff", "#"],
)
def test_arguments_arrive_as_they_are(shell: NodeShell, argument: str) -> None:
    ran = shell.run(NODE, [sys.executable, "-c", SHOW_ARGUMENTS, argument, "end"])
    assert ran.out == argument.encode("utf-8", "surrogateescape") + b"\0end"


def test_a_command_that_does_not_exist(shell: NodeShell) -> None:
    ran = shell.run(NODE, ["no-such-command"])
    assert ran.exit_code == 127
    assert b"no-such-command" in ran.err


@pytest.mark.parametrize("argv", [[], ["echo", "a\0b"]])
def test_what_no_command_can_be(shell: NodeShell, argv: list[str]) -> None:
    with pytest.raises(PermanentError, match="NUL"):
        shell.run(NODE, argv)


def test_a_node_without_a_door(shell: NodeShell) -> None:
    with pytest.raises(PermanentError, match="on pve9"):
        shell.run("pve9", ["true"])


def test_what_takes_too_long(shell: NodeShell, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(TransientError, match=r"longer than 0\.5 s") as caught:
        shell.run(NODE, ["sh", "-c", 'echo $$ >"$1"; sleep 60; true', "sh", str(tmp_path / "pid")], timeout=0.5)
    assert caught.value.cause == "shell-timeout"
    assert time.monotonic() - began < 30
    wait_for(lambda: not _runs(tmp_path / "pid"))


def test_what_is_killed(shell: NodeShell) -> None:
    with pytest.raises(TransientError) as caught:
        shell.run(NODE, ["sh", "-c", "kill -9 $$"])
    assert caught.value.cause == "shell-cut"


def test_secrets_of_the_worker_stay_with_it(shell: NodeShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOENIX_PROXMOX_TOKEN_VALUE", "8a5f2c1e")
    assert b"8a5f2c1e" not in shell.run(NODE, ["env"]).out


def _runs(pid_file: Path) -> bool:
    """Whether the process runs that wrote the file; one that was killed before it wrote does not."""
    pid = pid_file.read_text().strip() if pid_file.exists() else ""
    stat = Path(f"/proc/{pid}/stat")
    return bool(pid) and stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
