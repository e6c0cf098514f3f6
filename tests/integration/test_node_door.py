"""The forced command for nodes. That it allows what workers run: `tests/support/root_node.py` puts it before each."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import syslog
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.core.checkup.shell import PROBE
from phoenix_worker.core.model.ports import Ran
from phoenix_worker.proxmox.root_commands import HAVE_DIRECTORY, REPLACE
from phoenix_worker.proxmox.scripts import contents
from scripts import node_door
from tests.support.ssh_node import DOOR

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ALLOWED = ["--ctids", "100-199,900", "--directories", "/tank:/srv/media/"]
LOCK, CONF = "/run/lock/lxc/pve-config-103.lock", "/etc/pve/lxc/103.conf"
PRESENT = "arch: amd64\nlxc.cap.keep: a\nlxc.hook.start: mine\n\n[snap]\nlxc.cap.keep: b\n"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """What stands for the node's programs: each prints its arguments, `cat` the configuration file."""
    for name in ("pct", "flock", "python3", "sh", "sha256sum"):
        (tmp_path / name).write_text('#!/bin/dash\nprintf "%s\\n" "$0" "$@"\n')
        (tmp_path / name).chmod(0o755)
    (tmp_path / "cat").write_text(f"#!/bin/dash\nprintf %s {shlex.quote(PRESENT)}\n")
    (tmp_path / "cat").chmod(0o755)
    return tmp_path


def knock(programs: Path, line: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environ = {"PATH": str(programs), "SSH_ORIGINAL_COMMAND": line}
    command = [sys.executable, "-IS", str(DOOR), *(arguments or ALLOWED)]
    return subprocess.run(command, check=False, env=environ, input=stdin, capture_output=True, text=True, timeout=180)


@pytest.mark.parametrize(
    "argv",
    [
        list(PROBE),
        ["pct", "unlock", "103"],
        ["pct", "exec", "103", "--", "sh", "-c", "echo $HOME; 'x'"],
        ["pct", "set", "103", "--mp0", "/tank/a b,mp=/srv", "--dev1", "/dev/nvidia0", "--features", "keyctl=1"],
        ["pct", "set", "900", "--delete", "dev0,dev1", "--digest", "00"],
    ],
)
def test_what_workers_run_is_run_as_it_is(programs: Path, argv: list[str]) -> None:
    for line in (shlex.join(argv), shlex.join(["sudo", "-n", "--", *argv])):
        ran = knock(programs, line)
        assert (ran.returncode, ran.stdout.splitlines()[1:], ran.stderr) == (0, argv[1:], "")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "id",
        "pct unlock 103; id",
        "pct unlock 103 && id",
        "pct unlock 200",
        "pct unlock 0103",
        "pct unlock",
        "pct destroy 103",
        "pct list 103",
        "sha256sum -z -- /opt/x.sh",
        "pct exec 103 sh",
        "pct enter 103",
        "pct set 103 --hookscript local:snippets/x",
        "pct set 103 --mp0 /etc,mp=/etc",
        "pct set 103 --mp0 /tank/../etc,mp=/etc",
        "pct set 103 --mp0 /tankard,mp=/etc",
        "pct set 103 --mp0 local-lvm:8,mp=/srv",
        "pct set 103 --dev0 /dev/sda",
        "pct set 103 --dev0 /dev/nvidia/../sda",
        "pct set 103 --delete mp0",
        "pct set 103 --rootfs local-lvm:8",
        "pct set 103 --features",
        "cat /etc/pve/lxc/200.conf",
        "cat /etc/pve/priv/authkey.key",
        "cat /etc/pve/lxc/103.conf /etc/shadow",
        "chown -- root:root /tank",
        "mkdir -p -- /tank/x",
        "python3 -c 'import os' / /tank/x 0 0 1",
        "python3 -c",
        shlex.join(["python3", "-c", HAVE_DIRECTORY, "/etc/x", "0", "0", "1"]),
        shlex.join(["python3", "-c", HAVE_DIRECTORY, "/tank/../etc/x", "0", "0", "1"]),
        shlex.join(["python3", "-c", HAVE_DIRECTORY, "/", "/tank/x", "0", "0", "1"]),
        shlex.join(["python3", "-c", HAVE_DIRECTORY, "/tank/x", "root", "0", "1"]),
        "sh -c id phoenix-lxc",
        "flock -w 10 -E 75 /run/x sh -c id sh a b c",
        "'unbalanced",
    ],
)
def test_nothing_else_is(line: str) -> None:
    with pytest.raises((node_door.NotAllowed, ValueError)):
        node_door.allow(shlex.split(line), node_door.Rules(ALLOWED))


def test_what_is_refused_is_told_and_not_run(programs: Path) -> None:
    for line in ("pct unlock 103; id", "'unbalanced"):
        ran = knock(programs, line)
        assert (ran.returncode, ran.stdout) == (126, "")
        assert ran.stderr.startswith("phoenix-node-door: not allowed: ")


def test_a_program_that_the_node_lacks_ends_as_in_a_shell(programs: Path) -> None:
    (programs / "pct").unlink()
    done = knock(programs, "pct list")
    assert (done.returncode, done.stderr) == (127, "phoenix-node-door: pct: not found\n")


def test_what_is_refused_leaves_a_line_in_the_system_log(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[tuple[int, str]] = []
    monkeypatch.setattr(syslog, "syslog", lambda level, line: logged.append((level, line)))
    monkeypatch.setattr(sys, "argv", [str(DOOR), *ALLOWED])
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", "pct unlock 200")
    assert node_door.main() == node_door.REFUSED
    assert logged == [(syslog.LOG_WARNING, "phoenix-node-door refused 'pct unlock 200': CTID 200 (--ctids)")]


def test_a_hookscript_is_allowed_only_by_name(programs: Path) -> None:
    allowed = ("--ctids", "103", "--hookscripts", "local:snippets/phoenix-*")
    assert knock(programs, "pct set 103 --hookscript local:snippets/phoenix-1.sh", *allowed).returncode == 0
    assert knock(programs, "pct set 103 --hookscript local:snippets/x", *allowed).returncode == 126
    assert knock(programs, "pct set 103 --hookscript ''", "--ctids", "103").returncode == 126


def test_without_arguments_no_container_and_no_directory_is_allowed(programs: Path) -> None:
    assert knock(programs, "pct unlock 103", "--devices", "/dev/kvm").returncode == 126
    assert knock(programs, making("/tank"), "--ctids", "103").returncode == 126


def making(path: object) -> str:
    return shlex.join(["python3", "-c", HAVE_DIRECTORY, str(path), "100000", "100033", "0"])


def test_a_directory_is_made_by_the_words_that_were_judged(programs: Path) -> None:
    ran = knock(programs, making("/srv/media/$(id)"))
    assert (ran.returncode, ran.stdout.splitlines()[-4:]) == (0, ["/srv/media/$(id)", "100000", "100033", "0"])


def test_a_directory_that_is_a_link_leads_nowhere_else(programs: Path) -> None:
    inside, link = programs / "tank", programs / "tank" / "link"
    inside.mkdir()
    link.symlink_to("/etc")
    for path, code in ((inside / "x", 0), (link, 126), (link / "x", 126)):
        assert knock(programs, making(path), "--directories", str(inside)).returncode == code


def replacing(program: str = REPLACE, path: str = CONF, lock: str = LOCK, new: str = PRESENT) -> str:
    digests = [hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for text in (PRESENT, new)]
    return shlex.join(["flock", "-w", "10", "-E", "75", lock, "sh", "-c", program, "sh", path, *digests])


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (PRESENT.replace("keep: a", "keep: c\nlxc.mount.auto: sys:rw"), 0),
        (PRESENT.replace("lxc.cap.keep: a\n", "", 1), 0),
        (PRESENT.replace("hook.start: mine", "hook.start: evil"), 126),
        (f"lxc.hook.start: mine\n{PRESENT}", 126),
        (f"lxc.mount.entry: / mnt none bind\n{PRESENT}", 126),
        (PRESENT.replace("amd64", "arm64"), 126),
        (PRESENT.replace("keep: b", "keep: c"), 126),
        (f"{PRESENT}lxc.cap.keep: c\n", 126),
        ("", 126),
    ],
)
def test_of_a_configuration_file_only_raw_lines_with_allowed_keys_change(new: str, code: int) -> None:
    try:
        node_door.Rules(ALLOWED).change(PRESENT, new)
    except node_door.NotAllowed:
        assert code == 126
    else:
        assert code == 0


def test_a_configuration_file_is_judged_before_it_is_replaced(programs: Path) -> None:
    assert knock(programs, replacing(), stdin=PRESENT).stdout.startswith(str(programs / "flock"))
    assert knock(programs, replacing(new=""), stdin="").returncode == 126
    assert knock(programs, replacing(), stdin="").returncode == 77


@pytest.mark.parametrize(
    "line",
    [
        replacing(program=f"{REPLACE}id\n"),
        replacing(path="/etc/pve/lxc/200.conf", lock="/run/lock/lxc/pve-config-200.lock"),
        replacing(lock="/run/lock/lxc/pve-config-104.lock"),
        replacing(path="/etc/passwd"),
    ],
)
def test_no_other_file_is_replaced_and_by_no_other_program(line: str) -> None:
    with pytest.raises(node_door.NotAllowed):
        node_door.allow(shlex.split(line), node_door.Rules(ALLOWED))


def test_scripts_on_the_node_are_run_only_where_that_is_said(programs: Path) -> None:
    line = shlex.join(["sh", "-c", "id", "phoenix-lxc", "id", "start"])
    assert knock(programs, line).returncode == 126
    assert knock(programs, line, "--node-scripts").stdout.splitlines()[1:] == ["-c", "id", "phoenix-lxc", "id", "start"]


class Recorder:
    """A shell that keeps the commands it is given."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []

    def run(self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Ran:  # noqa: ARG002
        self.commands.append(list(argv))
        return Ran(0, b"", b"")


def test_the_scripts_of_a_node_are_read_only_where_that_is_said(programs: Path) -> None:
    shell = Recorder()
    contents(shell, "pve", ["/opt/a b.sh", "/opt/c.sh"])
    (argv,) = shell.commands
    assert knock(programs, shlex.join(argv)).returncode == 126
    for line in (shlex.join(argv), shlex.join(["sudo", "-n", "--", *argv])):
        assert knock(programs, line, "--node-scripts").stdout.splitlines()[-3:] == argv[-3:]
    hashing = "sha256sum -z -- /opt/x.sh"  # as older workers do
    assert knock(programs, hashing, "--node-scripts").stdout.splitlines()[1:] == hashing.split()[1:]


def test_it_is_as_it_is_copied() -> None:
    assert os.access(DOOR, os.X_OK)
    assert DOOR.read_text().startswith("#!/usr/bin/env python3\n")
    assert node_door.REPLACE == REPLACE
