"""What only one of the two node shells does: connections, keys and limits of SSH; the local one's process group."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import asyncssh
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paramiko.ssh_exception import AuthenticationException

from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.proxmox.local_shell import LocalShell
from phoenix_worker.proxmox.ssh_errors import unable_to_connect
from phoenix_worker.proxmox.ssh_shell import SshShell
from tests.support.certificates import serving
from tests.support.dripping import Dripping
from tests.support.proxmox import NODE
from tests.support.ssh_node import SshNode, access_to
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phoenix_worker.core.model.ports import NodeShell


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SshNode]:
    with SshNode(tmp_path / "node") as node:
        yield node


@pytest.fixture
def shell(node: SshNode) -> SshShell:
    return SshShell(access_to(node))


def refusal(shell: NodeShell, on: str = NODE) -> PermanentError:
    with pytest.raises(PermanentError) as caught:
        shell.run(on, ["true"])
    return caught.value


@pytest.fixture(params=["local", "ssh"])
def either(request: pytest.FixtureRequest, node: SshNode) -> NodeShell:
    return LocalShell(NODE) if request.param == "local" else SshShell(access_to(node))


HOSTILE = st.text(
    st.one_of(st.sampled_from("'\"\\$`;&|<>(){}[]*?~!#=%^- \t\n\r\x1b"), st.characters(exclude_categories=["Cs"])),
    max_size=20,
).filter(lambda text: "\0" not in text)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(arguments=st.lists(HOSTILE, min_size=1, max_size=4))
def test_nothing_of_an_argument_is_ever_read_by_a_shell(either: NodeShell, arguments: list[str]) -> None:
    ran = either.run(NODE, ["printf", "%s\\0", *arguments])
    assert ran.out.decode().split("\0")[:-1] == arguments


def test_one_connection_is_kept_for_all_commands(node: SshNode, shell: SshShell) -> None:
    for _ in range(4):
        assert shell.run(NODE, ["true"]).exit_code == 0
    assert node.connected == 1


def test_a_kept_connection_that_was_cut_is_made_anew(node: SshNode, shell: SshShell) -> None:
    shell.run(NODE, ["true"])
    node.cut()
    assert shell.run(NODE, ["echo", "again"]).out == b"again\n"
    assert node.connected == 2


def test_a_cut_in_the_middle_of_a_command(node: SshNode, shell: SshShell) -> None:
    with ThreadPoolExecutor(1) as other:
        running = other.submit(shell.run, NODE, ["sleep", "60"])
        wait_for(lambda: node.running)
        node.cut()
        with pytest.raises(TransientError, match="the connection was cut") as caught:
            running.result(timeout=60)
    assert caught.value.cause == "shell-cut"


def test_a_node_that_takes_commands_and_never_begins_them(node: SshNode, shell: SshShell) -> None:
    node.stalls = True
    with pytest.raises(TransientError, match=r"longer than 0\.5 s"):
        shell.run(NODE, ["true"], timeout=0.5)


def test_no_more_commands_at_once_than_allowed(node: SshNode, tmp_path: Path) -> None:
    shell = SshShell(access_to(node, at_once=2))
    waits = ["sh", "-c", 'while [ ! -e "$0" ]; do sleep 0.02; done', str(tmp_path / "go")]
    with ThreadPoolExecutor(6) as others:
        running = [others.submit(shell.run, NODE, waits) for _ in range(6)]
        wait_for(lambda: node.running == 2)
        (tmp_path / "go").touch()
        assert [ran.result(timeout=60).exit_code for ran in running] == [0] * 6
    assert node.most_running == 2


def test_who_waits_too_long_for_room_is_told(node: SshNode) -> None:
    shell = SshShell(access_to(node, at_once=1))
    with ThreadPoolExecutor(1) as other:
        running = other.submit(shell.run, NODE, ["sleep", "60"])
        wait_for(lambda: node.running)
        with pytest.raises(TransientError, match="1 other commands"):
            shell.run(NODE, ["true"], timeout=0.2)
        node.cut()
        assert running.exception(timeout=60) is not None


def test_a_host_key_that_nobody_knows_is_refused_with_its_fingerprint(node: SshNode, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    error = refusal(SshShell(access_to(node, known_hosts=empty)))
    assert error.cause == "shell-host-key"
    assert "ssh-ed25519 SHA256:" in error.message
    assert "PHOENIX_SHELL_KNOWN_HOSTS" in error.remedy
    assert not empty.read_text(), "no key is added"
    assert node.connected == 0


def test_a_host_key_that_changed_is_refused(node: SshNode) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    node.known_hosts.write_text(f"[127.0.0.1]:{node.port} {other}")
    error = refusal(SshShell(access_to(node)))
    assert error.cause == "shell-host-key"
    assert "reinstalled" in error.remedy
    assert node.connected == 0


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("ssh-ed25519", "openssh"),
        ("ssh-rsa", "openssh"),
        ("ssh-rsa", "pkcs1-pem"),
        ("ecdsa-sha2-nistp256", "pkcs1-pem"),
    ],
)
def test_a_key_that_the_node_does_not_know(node: SshNode, tmp_path: Path, kind: str, written: str) -> None:
    key = tmp_path / "other_key"
    key.write_bytes(asyncssh.generate_private_key(kind).export_private_key(written))
    error = refusal(SshShell(access_to(node, key_file=key)))
    assert error.cause == "shell-authentication"
    assert "authorized_keys" in error.remedy


@pytest.mark.parametrize(
    ("kind", "written"), [("ssh-ed25519", "openssh"), ("ssh-rsa", "openssh"), ("ssh-rsa", "pkcs1-pem")]
)
def test_a_key_with_a_passphrase(node: SshNode, tmp_path: Path, kind: str, written: str) -> None:
    key = tmp_path / "locked_key"
    key.write_bytes(asyncssh.generate_private_key(kind).export_private_key(written, passphrase="secret", rounds=50))
    error = refusal(SshShell(access_to(node, key_file=key)))
    assert error.cause == "shell-authentication"
    assert "agent" in error.remedy


def test_a_key_file_that_is_gone(node: SshNode, tmp_path: Path) -> None:
    assert refusal(SshShell(access_to(node, key_file=tmp_path / "gone"))).cause == "shell-settings"


@pytest.mark.parametrize("content", [b"not a key", b"ssh-ed25519 AAAAC3Nz phoenix"], ids=["nothing", "public"])
def test_a_key_file_that_has_no_private_key(node: SshNode, tmp_path: Path, content: bytes) -> None:
    key = tmp_path / "no_key"
    key.write_bytes(content)
    error = refusal(SshShell(access_to(node, key_file=key)))
    assert (error.cause, "PHOENIX_SHELL_KEY_FILE" in error.remedy) == ("shell-settings", True)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"host ssh-ed25519 notbase64!!\n"], ids=["bytes", "line"])
def test_known_hosts_that_cannot_be_read(node: SshNode, tmp_path: Path, content: bytes) -> None:
    known = tmp_path / "known"
    known.write_bytes(content)
    error = refusal(SshShell(access_to(node, known_hosts=known)))
    assert (error.cause, "PHOENIX_SHELL_KNOWN_HOSTS" in error.remedy) == ("shell-settings", True)


@pytest.mark.parametrize("what", ["key_file", "known_hosts"])
def test_a_directory_where_a_file_is_meant(node: SshNode, tmp_path: Path, what: str) -> None:
    assert refusal(SshShell(access_to(node, **{what: tmp_path}))).cause == "shell-settings"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", ["key_file", "known_hosts"])
def test_a_pipe_where_a_file_is_meant(node: SshNode, tmp_path: Path, what: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    error = refusal(SshShell(access_to(node, **{what: tmp_path / "pipe"})))
    assert (error.cause, "it is a pipe or a device" in error.message) == ("shell-settings", True)


def test_a_server_that_drips_takes_no_longer_than_the_command_may(node: SshNode) -> None:
    """Each byte begins another of paramiko's own times."""
    with Dripping(b"", b"a") as server, pytest.raises(TransientError) as caught:
        SshShell(access_to(node, addresses={NODE: ("127.0.0.1", server.port)})).run(NODE, ["true"], timeout=0.5)
    assert caught.value.message.endswith("no connection to the node was made in time.")


def test_a_connection_that_ends_during_the_login_is_no_refusal() -> None:
    """paramiko has the same exception for both."""
    closed = AuthenticationException("Authentication failed: transport shut down or saw EOF")
    assert isinstance(unable_to_connect("Unable to look", closed), TransientError)


def test_a_port_that_is_no_ssh_server_is_said_to_be_none(node: SshNode) -> None:
    with serving(None) as port, pytest.raises(TransientError) as caught:
        SshShell(access_to(node, addresses={NODE: ("127.0.0.1", port)})).run(NODE, ["true"])
    assert caught.value.cause == "shell-unreachable"
    assert "no SSH server" in caught.value.remedy


def test_a_name_that_nobody_knows_is_said_to_be_unknown() -> None:
    error = unable_to_connect("Unable to look", socket.gaierror(-2, "Name or service not known"))
    assert (error.cause, "DNS" in error.remedy) == ("shell-unreachable", True)


def test_a_node_that_does_not_answer(node: SshNode) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        shell = SshShell(access_to(node, addresses={NODE: unused.getsockname()}))
        with pytest.raises(TransientError) as caught:
            shell.run(NODE, ["true"])
    assert caught.value.cause == "shell-unreachable"
    assert "phoenix@127.0.0.1, port" in caught.value.message


def test_a_command_of_another_user_is_run_as_root(node: SshNode) -> None:
    shell = SshShell(access_to(node), as_root=("env", "--", "AS=root"))
    assert shell.run(NODE, ["sh", "-c", "echo $AS"]).out == b"root\n"
    assert node.commands == ["env -- AS=root sh -c 'echo $AS'"]


def test_the_local_shell_leads_to_one_node_only() -> None:
    assert refusal(LocalShell(NODE), on="pve9").cause == "shell-other-node"


def test_a_local_command_that_takes_too_long_ends_with_all_that_it_started(tmp_path: Path) -> None:
    fifo = tmp_path / "alive"
    command = 'mkfifo "$1"; (sleep 60 >"$1") & cat "$1" >/dev/null; wait'
    with pytest.raises(TransientError):
        LocalShell(NODE).run(NODE, ["sh", "-c", command, "sh", str(fifo)], timeout=1)


def test_a_local_command_whose_children_go_on_takes_no_longer(tmp_path: Path) -> None:
    """They have left its process group and keep its output open, so that no end of it comes."""
    fifo = tmp_path / "end"
    os.mkfifo(fifo)
    with pytest.raises(TransientError, match=r"longer than 0\.5 s"):
        LocalShell(NODE).run(NODE, ["setsid", "-f", "sh", "-c", 'read -r _ <"$1"', "sh", str(fifo)], timeout=0.5)
    fifo.write_text("\n")


def test_nobody_waits_longer_than_his_time_for_others_who_connect(node: SshNode) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as other:
        shell = SshShell(access_to(node, addresses={NODE: silent.getsockname()}))
        connecting = other.submit(shell.run, NODE, ["true"])
        taken, _ = silent.accept()
        with pytest.raises(TransientError, match="no connection to the node was made in time"):
            shell.run(NODE, ["true"], timeout=0.1)
        assert not connecting.done()
        taken.close()
        assert connecting.exception(timeout=60) is not None
