"""The scripts that set root's keys and password, by this machine's shells, with a directory for root's home."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SHELLS = [shell for shell in ("sh", "busybox") if shutil.which(shell)]
KEY, OTHER, THEIRS = "ssh-ed25519 AAAA one", "ssh-rsa BBBB two", "ssh-ed25519 CCCC their own"
SECRET = "it's; $(root):s"


class Inside:
    def __init__(self, folder: Path, shell: str) -> None:
        self.folder = folder
        self._shell = ["busybox", "sh"] if shell == "busybox" else [shell]
        self.file = folder / ".ssh" / "authorized_keys"
        programs = folder / "bin"
        programs.mkdir()
        (programs / "chpasswd").write_text('#!/bin/sh\ncat >"$HOME/told"\n[ ! -e "$HOME/refuse" ]\n')
        (programs / "chpasswd").chmod(0o755)
        self._environ = {"HOME": str(folder), "PATH": f"{programs}:{os.environ['PATH']}"}

    def run(self, name: str, given: str, *, code: int = 0) -> Path:
        told = self.folder / "config.json"
        told.write_text(given)
        script = files("phoenix_worker.catalog") / f"set_{name}.sh"
        ran = subprocess.run(
            [*self._shell, str(script)],
            check=False,
            env=self._environ | {"CT_CONFIG": str(told)},
            capture_output=True,
            timeout=180,
        )
        assert (ran.returncode, ran.stdout, ran.stderr) == (code, b"", b"")
        return told

    def keys(self) -> list[str]:
        return [line for line in self.file.read_text().splitlines() if not line.startswith("#")]


@pytest.fixture(params=SHELLS)
def inside(request: pytest.FixtureRequest, tmp_path: Path) -> Inside:
    return Inside(tmp_path, request.param)


def test_declared_keys_come_and_go_and_all_others_stay(inside: Inside) -> None:
    inside.run("ssh_public_keys", f"{KEY}\n{OTHER}\n")
    assert inside.keys() == [KEY, OTHER]
    assert (inside.file.stat().st_mode & 0o777, inside.file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    inside.file.write_text(inside.file.read_text() + f"# mine\n{THEIRS}")
    inside.run("ssh_public_keys", f"{OTHER}\n")
    assert inside.keys() == [THEIRS, OTHER]
    before = inside.file.read_text()
    inside.run("ssh_public_keys", f"{OTHER}\n")
    assert inside.file.read_text() == before
    inside.run("ssh_public_keys", "")
    assert inside.keys() == [THEIRS]
    assert [path.name for path in inside.file.parent.iterdir()] == ["authorized_keys"]


def test_those_that_proxmox_wrote_at_creation_are_the_declared_ones_of_then(inside: Inside) -> None:
    inside.file.parent.mkdir()
    inside.file.write_text(f"{THEIRS}\n# --- BEGIN PVE ---\n{KEY}\n# --- END PVE ---\n")
    inside.run("ssh_public_keys", f"{OTHER}\n")
    assert inside.keys() == [THEIRS, OTHER]


def test_a_block_without_an_end_takes_nobodys_keys(inside: Inside) -> None:
    inside.file.parent.mkdir()
    inside.file.write_text(f"# --- BEGIN PVE ---\n{THEIRS}\n")
    inside.run("ssh_public_keys", f"{KEY}\n")
    assert inside.keys() == [THEIRS, KEY]


def test_a_password_is_told_to_chpasswd_alone_and_its_file_is_gone(inside: Inside) -> None:
    assert not inside.run("password", SECRET).exists()
    assert (inside.folder / "told").read_text() == f"root:{SECRET}"
    (inside.folder / "refuse").touch()
    assert not inside.run("password", SECRET, code=1).exists(), "also where it was not taken"
