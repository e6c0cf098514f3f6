"""Every command that the product sends to a node passes the forced command of docs/proxmox-access.md, or is told so."""

from __future__ import annotations

import ast
import base64
import json
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.declaration import Declaration, HealthCheck, Script
from phoenix_worker.catalog.host_parts import BindMount
from phoenix_worker.check.checkup import _probe
from phoenix_worker.core.checkup.line import Level
from phoenix_worker.core.differs.root_only import HostDirectory
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.planned.prediction import unmade
from phoenix_worker.proxmox import forced_command, scripts
from phoenix_worker.proxmox.root_commands import RootCommands
from phoenix_worker.proxmox.scripts import Place
from phoenix_worker.proxmox.ssh_shell import SshShell
from tests.support.declared import DECLARED
from tests.support.proxmox import NODE
from tests.support.root_node import RootNode
from tests.support.ssh_node import access_to
from tests.support.waiting import wait_for
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phoenix_worker.core.model.ports import NodeShell
    from tests.support.proxmox import Simulator

IN_CONTAINER, ON_NODE = Place(NODE, 103), Place(NODE, 103, on_node=True, creation="c1")
EVERYTHING = replace(
    DECLARED,
    root_features=("keyctl=1",),
    devices=("/dev/nvidia0",),
    bind_mounts=(BindMount("/tank/media", "/srv"),),
    raw_lines=(("lxc.cap.keep", "net_raw"),),
    health_check=HealthCheck("true"),
)
SUDO = ("sudo", "-n", "--")


@pytest.fixture
def node(simulator: Simulator, tmp_path: Path) -> Iterator[RootNode]:
    simulator.do(simulator.pve.add_ct, 103, node=NODE)
    simulator.set(simulator.pve.ct(103), status="running")
    with RootNode(tmp_path / "node", simulator) as node:
        node.door = [*(node.door or []), "--node-scripts"]
        yield node


@pytest.fixture(params=[(), SUDO], ids=["as root", "with PHOENIX_SHELL_SUDO"])
def shell(request: pytest.FixtureRequest, node: RootNode) -> NodeShell:
    return SshShell(access_to(node), as_root=request.param)


def on_node(tmp_path: Path, text: str = "#!/bin/sh\necho here\n") -> Script:
    file = tmp_path / "install_base.sh"
    file.write_text(text)
    file.chmod(0o755)
    return Script("base", str(file), "00aa", on_node=True)


def inside(text: str = "#!/bin/sh\necho here\n") -> Script:
    return Script("base", "features/base.sh", "00aa", base64.b64encode(text.encode()).decode())


def run_to_its_end(shell: NodeShell, place: Place, declaration: Declaration, script: Script) -> None:
    _, run = scripts.start(shell, place, declaration, script, "t1")

    def ended() -> bool:
        seen = scripts.look(shell, place, run, 0)
        return seen is not None and (seen.state, seen.code, seen.log) == ("ended", "0", b"here\n")

    wait_for(ended)
    assert scripts.tail(shell, place, run, 5) == ["here"]
    assert scripts.stop(shell, place, run) is not None


def test_scripts_and_health_checks_pass(shell: NodeShell, tmp_path: Path) -> None:
    run_to_its_end(shell, IN_CONTAINER, EVERYTHING, inside())
    assert scripts.run_inside(shell, IN_CONTAINER, "exit 3", 60).exit_code == 3
    assert scripts.check(shell, IN_CONTAINER, EVERYTHING, inside(), 60).out == b"here\n"
    script = on_node(tmp_path)
    assert list(scripts.contents(shell, NODE, [script.file])) == [script.file]
    run_to_its_end(shell, ON_NODE, EVERYTHING, script)
    scripts.clear(shell, ON_NODE)


def test_what_only_root_may_set_passes(shell: NodeShell, node: RootNode) -> None:
    root = RootCommands(shell, NODE)
    root.have_directory(HostDirectory("/tank/media", 100000, 100000, owned=True))
    old = root.config(103)
    root.replace_config(103, old, old + b"lxc.cap.keep: net_raw\n")
    root.set_options(103, {"features": "keyctl=1", "dev0": "/dev/nvidia0", "mp0": "/tank/media,mp=/srv"}, (), digest="")
    root.set_options(103, {}, ("dev0",), digest="")
    root.unlock(103)
    assert "lxc.cap.keep: net_raw" in node.conf(103)


def test_check_passes(shell: NodeShell) -> None:
    lines = list(_probe(shell, NODE, {103: EVERYTHING}, ()))
    assert [line.level for line in lines] == [Level.OK], lines


def callers() -> set[str]:
    """The functions of the product that have a shell run something."""
    found = set()
    for file in (ROOT / "worker/phoenix_worker").rglob("*.py"):
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef):
                calls = [ast.unparse(one.func) for one in ast.walk(function) if isinstance(one, ast.Call)]
                if {"shell.run", "self._shell.run", "access.run", "task.shell.run"} & set(calls):
                    found.add(f"{file.stem}.{function.name}")
    return found


def test_these_are_all_that_have_a_shell_run_something() -> None:
    """One that is new is added here, and to a test above that has it pass the forced command."""
    assert callers() == {
        "checkup._probe",
        "forced_command.foreseen",
        "root_commands._run",
        "root_commands.have_directory",
        "scripts._run",
        "scripts.contents",
        "scripts.run_inside",
    }


def foreseen(shell: NodeShell, declaration: Declaration) -> list[str] | None:
    commands = forced_command.commands_for(declaration, unmade(declaration))
    return forced_command.foreseen(shell, NODE, commands)


def test_what_would_be_refused_is_foreseen_all_at_once_and_nothing_is_run(
    shell: NodeShell, node: RootNode, tmp_path: Path
) -> None:
    declared = replace(EVERYTHING, scripts=(inside(), on_node(tmp_path)))
    assert foreseen(shell, declared) == []
    node.door = ["--ctids", "900", "--directories", "/srv", "--devices", "/dev/kvm", "--raw-keys", "lxc.idmap"]
    before = len(node.commands)
    assert foreseen(shell, declared) == [
        "directory /tank/media (--directories)",
        "CTID 103 (--ctids)",
        "device /dev/nvidia0 (--devices)",
        "raw key lxc.cap.keep (--raw-keys)",
        "scripts on the node (--node-scripts)",
    ]
    assert len(node.commands) == before + 1
    assert node.owners == {}
    told = forced_command.refusal(declared, forced_command.disallowed(shell, declared, unmade(declared)))
    assert told.cause == "forced-command"
    assert "does not allow directory /tank/media (--directories); CTID 103 (--ctids); device" in told.message


def test_what_a_container_has_already_is_not_asked_for(shell: NodeShell, node: RootNode) -> None:
    node.door = ["--ctids", "103"]
    expected = unmade(EVERYTHING)
    config = {
        "features": "keyctl=1,nesting=1",
        "dev0": "/dev/nvidia0",
        "mp0": "/tank/media,mp=/srv",
        "lxc": json.dumps([["lxc.cap.keep", "net_raw"]]),
    }
    there = replace(expected, config=expected.config | config)
    told: list[dict[str, Any]] = list(forced_command.commands_for(replace(EVERYTHING, bind_mounts=()), there))
    assert forced_command.foreseen(shell, NODE, told) == []


def test_a_refusal_is_told_as_one(shell: NodeShell, node: RootNode) -> None:
    node.door = ["--ctids", "103"]
    put = {"dev0": "/dev/sda", "mp0": "/etc,mp=/srv"}
    with pytest.raises(PermanentError) as caught:
        RootCommands(shell, NODE).set_options(103, put, (), digest="")
    assert caught.value.cause == "forced-command"
    assert "does not allow device /dev/sda (--devices); directory /etc (--directories)." in caught.value.message
    assert "phoenix-node-door" in caught.value.remedy
    with pytest.raises(PermanentError) as caught:
        RootCommands(shell, NODE).have_directory(HostDirectory("/etc/x", 0, 0, owned=False))
    assert "Unable to run 'python3 -c …' on pve1: the forced command of" in caught.value.message
    assert "does not allow directory /etc/x (--directories)." in caught.value.message


@pytest.mark.parametrize(
    ("planted", "cause", "command"), [("link", "link-in-path", "realpath"), ("file", "not-a-directory", "namei -l")]
)
def test_what_is_in_the_way_of_a_directory_is_told_with_a_command_that_can_be_typed(
    shell: NodeShell, node: RootNode, planted: str, cause: str, command: str
) -> None:
    in_the_way = node.slash / "tank" / "it's $(here)"
    in_the_way.parent.mkdir()
    in_the_way.symlink_to("/etc") if planted == "link" else in_the_way.touch()
    with pytest.raises(PermanentError) as caught:
        RootCommands(shell, NODE).have_directory(HostDirectory("/tank/it's $(here)/x", 0, 0, owned=True))
    assert caught.value.cause == cause
    typed = caught.value.remedy.split("`")[1]
    assert shlex.split(typed) == [*command.split(), "/tank/it's $(here)/x"]
    assert node.owners == {}


def test_a_key_without_a_forced_command_has_nothing_foreseen(node: RootNode) -> None:
    node.door = None
    assert foreseen(SshShell(access_to(node)), EVERYTHING) == []


def test_a_forced_command_that_is_too_old_is_told_by_check_and_stands_in_nobody_s_way(
    node: RootNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "node_door.py"
    old.write_text((ROOT / "scripts/node_door.py").read_text().replace("--foresee", "--other"))
    monkeypatch.setattr("tests.support.ssh_node.DOOR", old)
    shell = SshShell(access_to(node))
    assert foreseen(shell, EVERYTHING) is None
    assert forced_command.disallowed(shell, EVERYTHING, unmade(EVERYTHING)) == []
    (_, line) = _probe(shell, NODE, {103: EVERYTHING}, ())
    assert (line.level, "node_door.py" in line.text) == (Level.WARNING, True)


def test_check_tells_all_that_would_be_refused(shell: NodeShell, node: RootNode) -> None:
    node.door = ["--ctids", "103", "--directories", "/srv"]
    scratch = replace(EVERYTHING, ctid=9000)
    (_, line) = _probe(shell, NODE, {103: EVERYTHING}, [scratch])
    assert (line.about, line.level) == (f"Forced command on {NODE}", Level.ERROR)
    assert line.text.startswith("does not allow directory /tank/media (--directories); CTID 9000 (--ctids)")
