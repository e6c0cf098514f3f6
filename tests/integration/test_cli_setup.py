"""What a machine is set up with: systemd units, the man page, and the commands that become Celery."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.cli.flower import is_login
from phoenix_producer.cli.setup_commands import PLACES, Unit, unit_text
from phoenix_worker.settings import load_settings
from tests.support.cli import COMMAND, invoke

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "redis://127.0.0.1:1/0"
SERVICES = (Unit.WORKER, Unit.FLOWER, Unit.SERVE)


def ran(*words: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, in an empty folder and with no setting but these."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), **environ}
    return subprocess.run(
        [COMMAND, *words], check=False, capture_output=True, text=True, timeout=120, cwd=folder, env=environ
    )


# --- units


def parsed(text: str) -> dict[str, list[tuple[str, str]]]:
    """The sections of a unit, as systemd.syntax(7) has them: comments are lines of their own, a key may come twice."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for line in text.splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            sections[header[1]] = []
        elif line and not line.startswith(("#", ";")):
            key, equals, value = line.partition("=")
            assert equals, line
            assert re.fullmatch(r"[A-Z]\w+", key), line
            sections[list(sections)[-1]].append((key, value))
    return sections


@pytest.mark.parametrize("unit", SERVICES)
def test_a_unit_starts_this_installation_as_a_user_who_may_do_little(unit: Unit) -> None:
    read = parsed(unit_text(unit))
    assert list(read) == ["Unit", "Service", "Install"]
    service = read["Service"]
    keys = [key for key, _ in service if key not in {"Environment", "LoadCredential"}]
    assert len(keys) == len(set(keys)), "systemd would take the last"
    assert ("ExecStart", f"{COMMAND} {unit}") in service
    assert os.access(COMMAND, os.X_OK)
    assert {
        ("User", "phoenix"),
        ("Restart", "always"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("SystemCallFilter", "@system-service"),
    } <= set(service)
    assert unit_text(Unit.USER).split()[:2] == ["u", "phoenix"]


@pytest.mark.parametrize("unit", SERVICES)
def test_each_secret_of_a_unit_is_a_credential_that_a_setting_reads(unit: Unit) -> None:
    service = parsed(unit_text(unit))["Service"]
    loaded = {value.partition(":")[0] for key, value in service if key == "LoadCredential"}
    read = {word.partition("=")[2] for key, value in service if key == "Environment" for word in value.split()}
    assert {value for value in read if value.startswith("%d/")} == {f"%d/{name}" for name in loaded}


def test_the_worker_reads_its_credentials_before_what_its_env_file_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "proxmox_token").write_text("8a5f2c1e-token\n")
    (credentials / "redis_password").write_text("p@ss\n")
    lines = ["PHOENIX_PROXMOX_HOST=pve1", "PHOENIX_PROXMOX_USER=phoenix@pve", "PHOENIX_PROXMOX_TOKEN_NAME=worker"]
    lines += [f"PHOENIX_{name}_FILE=/nowhere/{name}" for name in ("PROXMOX_TOKEN_VALUE", "REDIS_PASSWORD")]
    (tmp_path / ".env").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    for key, value in parsed(unit_text(Unit.WORKER))["Service"]:
        for word in value.split() if key == "Environment" else ():
            name, _, text = word.partition("=")
            monkeypatch.setenv(name, text.replace("%d", str(credentials)))
    settings = load_settings()
    assert settings.proxmox_token_value.get_secret_value() == "8a5f2c1e-token"
    assert settings.redis_url.get_secret_value() == "redis://:p%40ss@127.0.0.1:6379/0"


def test_systemd_takes_the_units_where_it_is_installed(tmp_path: Path) -> None:
    """`systemd-analyze verify` needs no running systemd; that they are units at all is tested above, everywhere."""
    if (analyze := shutil.which("systemd-analyze")) is None:
        return
    for unit in SERVICES:
        file = tmp_path / PLACES[unit].rpartition("/")[2]
        file.write_text(unit_text(unit))
        done = subprocess.run(
            [analyze, "verify", "--man=no", str(file)], check=False, capture_output=True, text=True, timeout=180
        )
        assert [line for line in done.stderr.splitlines() if file.name in line] == []
        assert done.returncode == 0, done.stderr


def test_units_are_printed_each_with_its_place() -> None:
    printed = invoke("setup", "systemd", "--print").stdout
    assert re.findall(r"^# (/etc/sys\S+)$", printed, re.MULTILINE) == list(PLACES.values())
    alone = invoke("setup", "systemd", "--print", "flower").stdout
    assert alone == f"# {PLACES[Unit.FLOWER]}\n{unit_text(Unit.FLOWER)}\n"
    refused = invoke("setup", "systemd")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "Add --print" in refused.stderr


# --- the man page


def test_the_man_page_has_every_command_and_option() -> None:
    page = invoke("setup", "man").stdout
    plain = page.replace(r"\-", "-")
    for command in ("ensure", "jobs show", "catalog check", "worker", "setup man"):
        assert f"\n.SS phoenix-lxc {command} " in plain, command
    assert "\\fB--redis-url" in plain
    assert "phoenix-lxc ensure --all --timeout 600 --json" in plain
    requests = [line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))]
    assert set(requests) <= {".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".RS", ".RE", ".nf", ".fi"}


def test_a_line_of_the_man_page_that_begins_with_a_dot_is_text() -> None:
    from phoenix_producer.cli.man_page import _text  # noqa: PLC0415 - the one test of it

    assert [_text(text) for text in (".env", "'a'", r"a\b", "--x")] == [r"\&.env", r"\&'a'", r"a\eb", r"\-\-x"]


# --- commands that become Celery


def test_the_package_runs_as_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "phoenix_producer", "--version"], check=True, capture_output=True, text=True, timeout=180
    )
    assert done.stdout == invoke("--version").stdout
    assert not list(tmp_path.iterdir())


def test_a_worker_without_settings_says_what_it_needs(tmp_path: Path) -> None:
    done = ran("worker", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "PHOENIX_PROXMOX_HOST: is not set" in done.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["worker", "-c", "4", "--no-such-option"], "--no-such-option"),
        (["flower", "--certfile=a.pem"], "Both 'certfile' and 'keyfile' are required"),
    ],
)
def test_other_options_are_those_of_celery(words: list[str], why: str, tmp_path: Path) -> None:
    settings = {"PHOENIX_PROXMOX_HOST": "pve", "PHOENIX_PROXMOX_USER": "a@pve", "PHOENIX_PROXMOX_TOKEN_NAME": "a"}
    catalog = tmp_path / "phoenix_lxc_configs.json"
    catalog.write_text('{"lxc_configs": {}}')
    done = ran(*words, folder=tmp_path, PHOENIX_REDIS_URL=NOWHERE, PHOENIX_PROXMOX_TOKEN_VALUE="a", **settings)
    assert done.returncode != 0
    assert why in done.stderr


def test_flower_does_not_look_at_another_redis(tmp_path: Path) -> None:
    """Celery takes the one of its own variable, and Flower showed that. What is named is what is to be unset."""
    done = ran("flower", folder=tmp_path, PHOENIX_REDIS_URL=NOWHERE, BROKER_URL="redis://127.0.0.1:2/0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("BROKER_URL is set")


@pytest.mark.long
@pytest.mark.parametrize("command", ["worker", "flower"])
@pytest.mark.parametrize("name", ["CONFIG_MODULE", "LOADER"])
def test_settings_of_another_app_are_not_read(command: str, name: str, tmp_path: Path) -> None:
    """Celery's command takes these names for its own: it ended in a traceback, or took what they set."""
    done = ran(command, folder=tmp_path, **{"PHOENIX_REDIS_URL": NOWHERE, name: "of_a_service"})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{name} is set")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.long
@pytest.mark.parametrize("pool", ["gevent", "eventlet", "custom"])
def test_a_pool_that_is_not_installed_is_refused_in_one_line(pool: str, tmp_path: Path) -> None:
    done = ran("worker", "--pool", pool, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"--pool {pool}: workers run with `threads` (the default) or `processes`.\n"


@pytest.mark.parametrize("command", ["worker", "flower"])
def test_their_help_is_ours_and_tells_how_to_see_the_others(command: str, tmp_path: Path) -> None:
    for option in ("--help", "-h"):
        done = ran(command, option, folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"phoenix-lxc {command} -- --help" in done.stdout
    done = ran(command, "-nhost1", "--", "--help", folder=tmp_path, PHOENIX_REDIS_URL=NOWHERE)
    assert "phoenix-lxc" not in done.stdout, "the h of -nhost1 asks for no help"


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), ("", "is empty"), ("demo:first,second", "is not a login")],
)
def test_flower_does_not_start_without_the_login_that_it_was_given(
    content: str | None, why: str, tmp_path: Path
) -> None:
    login = tmp_path / "login"
    if content is not None:
        login.write_text(content)
    done = ran("flower", folder=tmp_path, FLOWER_BASIC_AUTH_FILE=str(login), PHOENIX_REDIS_URL=NOWHERE)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr


@pytest.mark.parametrize(
    ("login", "usable"),
    [
        ("demo:pass word:more", True),
        ("demo:one,other:two", True),
        ("demo", False),
        ("demo:", False),
        (":password", False),
        ("demo:first,second", False),  # Flower would let in demo:first
        ("demo:one,", False),  # and whoever sends nothing
        ("demo:schlüssel", False),  # Flower fails as it compares it
        ("demo:one\nother:two", False),
    ],
)
def test_a_login_is_taken_where_flower_asks_for_all_of_it(login: str, *, usable: bool) -> None:
    assert is_login(login) is usable
