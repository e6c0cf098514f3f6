"""What keeps systemd from starting the units that `setup systemd` prints, and how they write the program's path."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
import tempfile
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.cli import extras, plugins, setup_commands, startable
from phoenix_producer.cli.setup_commands import Unit, unit_text
from phoenix_producer.cli.startable import Reader, as_program, closed, hidden, hindrance, program
from tests.support.cli import COMMAND, invoke

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = Reader(-1, -1)
UNUSUAL = ("plain", "with space", "50%n", "a$HOME", "semi;colon", "a:b", "#", "ü", "~", "a=b")
"""Names of directories that systemd would read otherwise, unless they are written its way."""
REFUSED = ('quo"te', "it's", "back\\slash", "a\nUser=root", "bell\a")
"""What it takes in no way."""


@pytest.fixture
def readable() -> Iterator[Path]:
    """A directory that every user can read, as that of a test is not; /var/tmp is as open as /opt."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("/root/.local/share/uv/tools/phoenix-lxc/bin/phoenix-lxc", "below /root, which ProtectHome=yes hides"),
        ("/home/me/.local/pipx/venvs/phoenix-lxc/bin/phoenix-lxc", "below /home, which ProtectHome=yes hides"),
        ("/run/user/1000/venv/bin/phoenix-lxc", "below /run/user, which ProtectHome=yes hides"),
        ("/tmp/venv/bin/phoenix-lxc", "below /tmp, which PrivateTmp=yes hides"),  # noqa: S108
        ("/var/tmp/venv/bin/phoenix-lxc", "below /var/tmp, which PrivateTmp=yes hides"),  # noqa: S108
    ],
)
def test_what_a_unit_hides_from_its_service_is_told_with_the_line_that_hides_it(place: str, line: str) -> None:
    told = hidden([Path("/opt/phoenix/bin/phoenix-lxc"), Path(place)])
    assert told is not None
    assert told.startswith(f"{place} is {line} from it. Install it ")


def test_what_is_elsewhere_is_not_hidden() -> None:
    assert hidden(map(Path, ("/opt/phoenix/bin/phoenix-lxc", "/usr/bin/python3", "/rooted/x", "/srv/home/x"))) is None


def test_a_link_is_followed_to_where_it_leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `~/.local/bin` has them, and as the Python of an environment is one."""
    monkeypatch.setattr(startable, "_HIDDEN", {str(tmp_path / "home"): "ProtectHome=yes"})
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "python3").touch()
    (tmp_path / "python3").symlink_to("home/python3")
    assert str(tmp_path / "home" / "python3") in str(hidden([tmp_path / "python3"]))


def test_what_other_users_may_not_read_is_told_and_readable_after_the_command_that_is_printed(
    readable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a umask of 077 leaves it, and as a directory above it can be."""
    environment, above = readable / "srv dir" / "phoenix", readable / "srv dir"
    file = environment / "bin" / "phoenix-lxc"
    file.parent.mkdir(parents=True)
    file.touch(mode=0o700)
    above.chmod(0o755)
    environment.chmod(0o700)
    file.parent.chmod(0o700)
    monkeypatch.setattr(sys, "prefix", str(environment))
    monkeypatch.setattr(startable, "program", lambda: file)
    _follow(closed([file], NOBODY), environment)
    assert closed([file], NOBODY) is None
    assert stat.S_IMODE(file.stat().st_mode) == 0o705
    above.chmod(0o700)
    _follow(closed([file], NOBODY), above)
    assert closed([file], NOBODY) is None
    file.chmod(0o704)
    assert f"may not read {file}" in str(closed([file], NOBODY))
    assert closed([file], Reader(file.stat().st_uid, -1)) is None, "its owner may"


def _follow(told: str | None, place: Path) -> None:
    assert told is not None
    assert told.startswith(f"the user phoenix may not read {place}. ")
    subprocess.run(["sh", "-c", told.split("`")[1]], check=True)


def test_what_is_not_there_is_told(readable: Path) -> None:
    assert "cannot be read (No such file or directory)" in str(closed([readable / "phoenix-lxc"], NOBODY))


def test_the_program_is_the_one_that_was_installed() -> None:
    """`pip install --user` puts it where no scheme of this Python has its scripts."""
    assert program() == COMMAND
    assert program().is_absolute()


def test_this_installation_is_judged_with_its_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment may be in /opt while its Python is in a home, as those of uv and pyenv are."""
    monkeypatch.setattr(startable, "program", lambda: Path("/opt/phoenix/bin/phoenix-lxc"))
    monkeypatch.setattr(sys, "executable", "/home/me/.pyenv/versions/3.13.0/bin/python3")
    assert "/home/me/.pyenv/versions/3.13.0/bin/python3 is below /home" in str(hindrance())


def test_units_that_cannot_start_are_printed_with_a_warning_in_them_and_on_standard_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(setup_commands, "hindrance", lambda: None)
    done = invoke("setup", "systemd", "--print")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "cannot start" not in done.stdout
    monkeypatch.setattr(setup_commands, "hindrance", lambda: "x is below /home\n[Service]\nUser=root")
    warned = invoke("setup", "systemd", "--print")
    told = "systemd cannot start this installation: x is below /home [Service] User=root"
    assert (warned.exit_code, warned.stderr) == (0, f"Warning: {told}\n")
    assert warned.stdout.count(f"\n# {told}\n") == 3
    assert warned.stdout.replace(f"# {told}\n", "") == done.stdout
    assert invoke("setup", "systemd", "--print", "user").stderr == ""


def test_a_unit_whose_command_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_commands, "hindrance", lambda: None)
    absent = EntryPoint("flower", "no_such_module:app", extras.GROUP)
    monkeypatch.setattr(plugins, "entry_points", lambda **_: [absent])
    told = "phoenix-lxc flower needs more than is installed here. From a checkout: pip install '.[monitor]'"
    assert unit_text(Unit.FLOWER).startswith(f"# {told}\n[Unit]\n")


@pytest.mark.parametrize("name", REFUSED)
def test_a_path_that_systemd_takes_in_no_way_is_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startable, "program", lambda: Path("/opt", name, "phoenix-lxc"))
    assert "a quote, a backslash or a control character" in str(hindrance())


@pytest.mark.parametrize("name", [*UNUSUAL, *REFUSED])
def test_a_path_is_one_line_of_a_unit(name: str) -> None:
    written = as_program(Path("/opt", name, "phoenix-lxc"))
    assert len(written.splitlines()) == 1
    assert as_program(Path("/opt/phoenix/bin/phoenix-lxc")) == "/opt/phoenix/bin/phoenix-lxc"


def test_systemd_starts_a_program_whatever_its_path(readable: Path) -> None:
    """`systemd-analyze verify` says it of a program that it does not find, and of one whose path it does not take."""
    if (analyze := shutil.which("systemd-analyze")) is None:
        return
    units = {name: readable / f"{number}.service" for number, name in enumerate((*UNUSUAL, *REFUSED, "absent"))}
    for name, unit in units.items():
        file = readable / name / "phoenix-lxc"
        if name != "absent":
            file.parent.mkdir()
            file.touch(mode=0o755)
        unit.write_text(f"[Service]\nExecStart={as_program(file)} worker\n")
    command = [analyze, "verify", "--man=no", *map(str, units.values())]
    said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=180).stderr
    complained = {
        name for name, unit in units.items() if re.search(rf"(^|[/ ]){re.escape(unit.name)}\b", said, re.MULTILINE)
    }
    assert complained == {"absent", *REFUSED}, said
