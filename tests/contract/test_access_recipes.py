"""The recipes of docs/proxmox-access.md for shell access, carried out on a directory that stands for a node.

The node is a plain Debian: no sudo until it is installed, system users without a home unless one is given.
"""

from __future__ import annotations

import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.proxmox.forced_command import foreseen
from phoenix_worker.proxmox.ssh_shell import SshShell
from tests.support import sudo_stand_in
from tests.support.proxmox import NODE
from tests.support.root_node import RootNode
from tests.support.ssh_node import DOOR, SshNode, access_to

if TYPE_CHECKING:
    from tests.support.proxmox import Simulator

PAGE = (DOOR.parents[1] / "docs" / "proxmox-access.md").read_text()
BLOCKS = [block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "phoenix-node-door" in block]
SYSTEM = re.compile(r"(?<![\w/])/(?=(?:etc|root|usr|var)/)")
FOLDERS = ("etc/sudoers.d", "root/.ssh", "usr/local/sbin", "var/lib")

APT = '[ "$*" = "install --yes sudo" ] && ln -s sudo.package "$PROGRAMS/sudo"\n'
ADDUSER = """while [ $# -gt 1 ]; do [ "$1" = --home ] && mkdir -p "$2"; shift; done
echo "$1" >>"$SLASH/users"
"""
INSTALL = """for word; do
shift
case $word in
-o|-g) of=yes;;
*) if [ "$of" ]; then grep -qx "$word" "$SLASH/users" || exit 1; of=; else set -- "$@" "$word"; fi;;
esac
done
exec /usr/bin/install "$@"
"""
CHOWN = 'grep -qx "${1%%:*}" "$SLASH/users" && [ -e "$2" ]\n'
VISUDO = '[ "$(stat -c %a "$3")" = 440 ]\n'


class RecipeNode(RootNode):
    """A node whose login runs the forced command of the file that the recipe wrote."""

    def __init__(self, directory: Path, simulator: Simulator) -> None:
        super().__init__(directory, simulator)
        self.door = None
        self.programs = directory / "bin"
        self.authorized = Path()

    def follow(self, recipe: str) -> None:
        """Carry the recipe out, as root, line by line: the first that fails ends it."""
        key = (self._directory / "authorized_keys").read_text().split()[1]
        script = SYSTEM.sub(f"{self.slash}/", recipe).replace("AAAA…", key)
        for folder in FOLDERS:
            (self.slash / folder).mkdir(parents=True, exist_ok=True)
        programs = {"apt-get": APT, "adduser": ADDUSER, "install": INSTALL, "chown": CHOWN, "visudo": VISUDO}
        outside = self._directory / "recipe"
        outside.mkdir()
        for name, text in programs.items():
            (outside / name).write_text(f"#!/bin/sh\n{text}")
            (outside / name).chmod(0o755)
        package = self.programs / "sudo.package"
        package.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -IS {sudo_stand_in.__file__} "$@"\n')
        package.chmod(0o755)
        self._environ |= {"SLASH": str(self.slash)}
        environ = self._environ | {
            "PROGRAMS": str(self.programs),
            "PATH": f"{outside}:{self._environ['REAL_PATH']}",
        }
        done = subprocess.run(
            ["/bin/sh", "-e"],
            input=script,
            env=environ,
            cwd=DOOR.parent,
            check=False,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
        # `python3` of the stand-in node makes directories, and nothing else.
        door = self.slash / "usr/local/sbin/phoenix-node-door"
        door.write_text(door.read_text().replace("/usr/bin/env python3", sys.executable, 1))
        (self.authorized,) = self.slash.glob("**/authorized_keys")
        assert key in self.authorized.read_text()

    async def _run_line(self, process: Any, line: str) -> None:
        found = re.match(r'restrict,command="([^"]+)" ssh-ed25519 ', self.authorized.read_text())
        assert found is not None
        await SshNode._run_line(self, process, f"SSH_ORIGINAL_COMMAND={shlex.quote(line)} exec {found[1]}")


@pytest.mark.parametrize("recipe", BLOCKS, ids=["as root", "by sudo"])
def test_a_recipe_lets_the_key_do_what_it_says_and_nothing_else(
    simulator: Simulator, tmp_path: Path, recipe: str
) -> None:
    simulator.do(simulator.pve.add_ct, 103, node=NODE)
    with RecipeNode(tmp_path / "node", simulator) as node:
        node.follow(recipe)
        simulator.set(simulator.pve.ct(103), lock="disk")
        shell = SshShell(access_to(node))
        ran = shell.run(NODE, ["pct", "unlock", "103"])
        assert (ran.exit_code, ran.err) == (0, b"")
        assert simulator.pve.ct(103).lock is None
        for refused in (["id"], ["pct", "unlock", "200"], ["pct", "destroy", "103"]):
            with pytest.raises(PermanentError, match="does not allow"):
                shell.run(NODE, refused)
        assert foreseen(shell, NODE, [{"argv": ["pct", "unlock", "200"]}]) == ["CTID 200 (--ctids)"]
        assert (node.slash / "sudo.log").exists() is ("sudo -n" in recipe)


def test_the_recipe_for_a_user_leaves_files_that_sshd_and_sudo_accept(simulator: Simulator, tmp_path: Path) -> None:
    with RecipeNode(tmp_path / "node", simulator) as node:
        node.follow(BLOCKS[1])
        sudoers = node.slash / "etc/sudoers.d/phoenix"
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (node.authorized, node.authorized.parent, sudoers)]
        assert modes == [0o600, 0o700, 0o440]
