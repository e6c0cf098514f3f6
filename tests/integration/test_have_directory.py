"""The directory of a bind mount on the node: no link is followed, and nothing that was there before is given away."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.proxmox.root_commands import HAVE_DIRECTORY
from scripts import node_door
from tests.support.root_stand_in import written_down

if TYPE_CHECKING:
    from pathlib import Path


def have(
    root: Path, path: Path | str, *, owned: bool = False, before: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    program = before + written_down(HAVE_DIRECTORY)
    command = [sys.executable, "-c", program, str(path), "100033", "50", str(int(owned))]
    environ = {**os.environ, "NODE_ROOT": str(root), **more}
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=180, env=environ)


def test_it_is_made_with_all_above_it(tmp_path: Path) -> None:
    made = tmp_path / "a" / "b c" / "d"
    assert have(tmp_path, made).returncode == 0
    assert made.is_dir()
    assert have(tmp_path, made).returncode == 0, "it is there"


@pytest.mark.parametrize("target", ["/etc", "elsewhere", "."])
@pytest.mark.parametrize("place", ["a", "a/b", "a/b/c"])
def test_a_link_on_the_way_is_not_followed_wherever_it_leads(tmp_path: Path, place: str, target: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    for path in (tmp_path / "a/b/c", tmp_path / "a/b/c/d"):
        done = have(tmp_path, path, owned=True)
        assert done.returncode == 1
        assert f"its part {link.name} is a link" in done.stderr
        assert "Traceback" not in done.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("make", ["touch", "mkfifo"])
def test_a_file_or_a_pipe_on_the_way_is_no_directory(tmp_path: Path, make: str) -> None:
    subprocess.run([make, tmp_path / "a"], check=True)
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        assert have(tmp_path, path, owned=True).stderr == f"{path}: its part a is not a directory\n"


@pytest.mark.parametrize("path", ["..", "../out", "./x", "in//x"])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    done = have(tmp_path, f"{inside}/{path}", owned=True)
    assert (done.returncode, "a part that names no directory" in done.stderr) == (1, True)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "owners").exists()


def test_it_gets_its_owner_when_it_is_new_or_when_one_is_declared(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    have(tmp_path, tmp_path / "old")
    assert not (tmp_path / "owners").exists(), "what existed before is not given away"
    have(tmp_path, tmp_path / "between" / "new")
    assert (tmp_path / "owners").read_text() == "/between/new 100033:50\n"
    have(tmp_path, tmp_path / "old", owned=True)
    assert (tmp_path / "owners").read_text().splitlines()[1:] == ["/old 100033:50"]


PLANTED = {
    "a link": "os.symlink(os.environ['SECRET'], name, dir_fd=dir_fd)",
    "a directory that was there": "os.rename(os.environ['SECRET'], name, dst_dir_fd=dir_fd)",
}
IN_BETWEEN = """
import os
mkdir = os.mkdir

def mkdir_and_replace(name, mode, *, dir_fd):
    mkdir(name, mode, dir_fd=dir_fd)
    os.rename(name, name + ".moved", src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    {planted}

os.mkdir = mkdir_and_replace
"""


@pytest.mark.parametrize("planted", PLANTED)
def test_what_a_container_puts_in_its_place_as_it_is_made_is_given_to_nobody(tmp_path: Path, planted: str) -> None:
    """Between the two calls that make it and open it."""
    tank, secret = tmp_path / "tank", tmp_path / "secret"
    tank.mkdir()
    secret.mkdir()
    if planted != "a link":  # one to an empty directory is told by nothing but being a link
        (secret / "key").touch()
    replaced = IN_BETWEEN.format(planted=PLANTED[planted])
    done = have(tank, tank / "x", before=replaced, SECRET=str(secret))
    assert (done.returncode, "its part x is a link" in done.stderr) == (
        (1, True) if planted == "a link" else (0, False)
    )
    assert "Traceback" not in done.stderr
    assert not (tank / "owners").exists()


def test_what_a_file_system_makes_for_somebody_else_is_used_as_it_is(tmp_path: Path) -> None:
    """A share that is mounted with `uid=`, or one that knows no root: nobody can set an owner there."""
    mounted = "import os\nos.geteuid = lambda: 4321\n"
    for _ in range(2):
        done = have(tmp_path, tmp_path / "share" / "x", before=mounted)
        assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "owners").exists()


def test_the_forced_command_knows_the_program() -> None:
    assert hashlib.sha256(HAVE_DIRECTORY.encode()).hexdigest() == node_door.HAVE_DIRECTORY
