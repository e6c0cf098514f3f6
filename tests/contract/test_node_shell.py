"""What every node shell does, whichever way it goes to the node. What only one of them does: test_ssh_shell.py."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.proxmox.local_shell import LocalShell
from phoenix_worker.proxmox.ssh_shell import SshShell
from tests.support.ssh_node import SshNode, access_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phoenix_worker.core.model.ports import NodeShell

NODE = "pve1"
SHOW_ARGUMENTS = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"


@pytest.fixture(params=["local", "ssh"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NodeShell]:
    if request.param == "local":
        yield LocalShell(NODE)
        return
    with SshNode(tmp_path / "node") as node:
        yield SshShell(access_to(node))


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
    ["", " ", "a b", "'", '"', "$(id)", "`id`", "a;b", "a\nb", "\\", "*", "~", "-n", "ä€", "A=b", "!x", "#"],
)
def test_arguments_arrive_as_they_are(shell: NodeShell, argument: str) -> None:
    ran = shell.run(NODE, [sys.executable, "-c", SHOW_ARGUMENTS, argument, "end"])
    assert ran.out == argument.encode() + b"\0end"


def test_a_command_that_does_not_exist(shell: NodeShell) -> None:
    ran = shell.run(NODE, ["no-such-command"])
    assert ran.exit_code == 127
    assert b"no-such-command" in ran.err


@pytest.mark.parametrize("argv", [[], ["echo", "a\0b"], ["echo", "\udcff"]])
def test_what_no_command_can_be(shell: NodeShell, argv: list[str]) -> None:
    with pytest.raises(PermanentError, match="NUL"):
        shell.run(NODE, argv)


def test_what_takes_too_long(shell: NodeShell) -> None:
    """The test itself would be ended before what runs there ends."""
    with pytest.raises(TransientError, match=r"longer than 0\.5 s") as caught:
        shell.run(NODE, ["sleep", "600"], timeout=0.5)
    assert caught.value.cause == "shell-timeout"


def test_what_is_killed_is_no_success(shell: NodeShell) -> None:
    assert shell.run(NODE, ["sh", "-c", "kill -9 $$"]).exit_code == 137


def test_secrets_of_the_worker_stay_with_it(shell: NodeShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOENIX_PROXMOX_TOKEN_VALUE", "8a5f2c1e")
    assert b"8a5f2c1e" not in shell.run(NODE, ["env"]).out


@pytest.mark.parametrize("side", ["", ">&2"])
def test_what_prints_without_end_is_ended(shell: NodeShell, side: str) -> None:
    """A container may put anything in the place of what is run in it."""
    with pytest.raises(TransientError, match="printed more than 8 MiB") as caught:
        shell.run(NODE, ["sh", "-c", f"cat /dev/zero {side}"])
    assert caught.value.cause == "shell-output"
