"""What `make` installs into .venv, with what, and when again: scripts/install.py with stand-ins for pip and uv."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PIP = """#!/bin/sh
case "$*" in
  *"config list") cat settings; exit 0;;
  *" uv") echo "$@" >>fetched; exit 1;;
esac
echo "$@" >>asked
echo "Collecting celery"
echo "Installing collected packages: celery kombu vine"
exit $(cat code)
"""
UV = """#!/bin/sh
echo "$SSL_CERT_FILE $@" >>asked_of_uv
echo "Resolved 3 packages in 1ms"
exit $(cat code_of_uv)
"""
PIP_OF_VENV = ".venv/lib/python3.11/site-packages/pip"
DEMO, ALL = ".venv/.installed-demo", ".venv/.installed"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout whose .venv has had something installed, of before the last change."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / PIP_OF_VENV).mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(PIP)
    python.chmod(0o755)
    for name in ("pyproject.toml", "constraints.txt", "asked", "settings"):
        (tmp_path / name).write_text("")
    (tmp_path / "code_of_uv").write_text("0")
    (tmp_path / "code").write_text("0")
    (tmp_path / DEMO).write_text("old")
    os.utime(tmp_path / DEMO, (0, 0))
    return tmp_path


@pytest.fixture
def install(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def install(mark: str, extras: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "scripts" / "install.py"), mark, extras]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=99, cwd=folder, env=environ)

    environ = {"PATH": f"{folder / 'path'}:/usr/bin:/bin", "HOME": str(folder)}
    return install


def put_uv_on_path(folder: Path) -> Path:
    """Return where it says what it was asked for."""
    (folder / "path").mkdir()
    uv = folder / "path" / "uv"
    uv.write_text(UV)
    uv.chmod(0o755)
    return folder / "asked_of_uv"


def asked(folder: Path) -> int:
    return len((folder / "asked").read_text().splitlines())


def test_the_demo_alone_is_installed_once_and_says_how_far_it_is(
    folder: Path, install: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    first = install(DEMO, "monitor,demo")
    assert (first.returncode, first.stdout) == (0, "")
    assert first.stderr.splitlines() == [
        "Installing phoenix-lxc[monitor,demo] into .venv",
        "  3 packages are being installed",
    ]
    assert "-e .[monitor,demo]" in (folder / "asked").read_text()
    assert install(DEMO, "monitor,demo").stderr == ""
    assert asked(folder) == 1


def test_what_all_the_tests_need_is_enough_for_the_demo_and_not_the_other_way_round(
    folder: Path, install: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    install(DEMO, "monitor,demo")
    install(ALL, "worker,monitor,demo,test")
    assert asked(folder) == 2
    install(DEMO, "monitor,demo")
    assert asked(folder) == 2
    os.utime(folder / ALL, (0, 0))
    os.utime(folder / DEMO, (0, 0))
    install(DEMO, "monitor,demo")
    assert asked(folder) == 3
    assert (folder / ALL).stat().st_mtime == 0, "the rest is still of before"


def test_what_pip_refuses_is_shown_and_tried_again(
    folder: Path, install: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (folder / "code").write_text("1")
    refused = install(DEMO, "monitor,demo")
    assert refused.returncode == 1
    assert "Collecting celery" in refused.stderr
    assert (folder / DEMO).read_text() == "old", "what was whole is not made again from nothing"
    (folder / "code").write_text("0")
    assert install(DEMO, "monitor,demo").returncode == 0
    assert asked(folder) == 2


def test_uv_is_fetched_with_one_try_and_then_pip_does_it(
    folder: Path, install: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    assert install(DEMO, "demo").returncode == 0
    assert "--retries=0" in (folder / "fetched").read_text()
    assert asked(folder) == 1


def test_uv_installs_what_pip_would_with_the_settings_of_pip(
    folder: Path, install: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (folder / "settings").write_text(
        "global.index-url='https://old.example/simple'\n"
        "global.extra-index-url='\\nfile:///one\\nfile:///two'\n"
        ":env:.index-url='https://mirror.example/simple'\n"
        ":env:.cert='/etc/ssl/ca.pem'\n"
        "global.disable-pip-version-check='1'\n"
        "download.no-binary=':all:'\n"
    )
    of_uv = put_uv_on_path(folder)
    done = install(DEMO, "monitor,demo")
    assert done.stderr.splitlines()[-1] == "  3 packages are being installed"
    (line,) = of_uv.read_text().splitlines()
    variable, *words = line.split()
    assert variable == "/etc/ssl/ca.pem"
    assert words == [
        *["pip", "install", "--python", ".venv/bin/python", "--no-progress"],
        *[
            "--index-url",
            "https://mirror.example/simple",
            "--extra-index-url",
            "file:///one",
            "--extra-index-url",
            "file:///two",
        ],
        *["--index-strategy", "unsafe-best-match", "-c", "constraints.txt", "-e", ".[monitor,demo]"],
    ]
    assert asked(folder) == 0
    install(ALL, "demo,test")
    assert "--compile-bytecode" in of_uv.read_text().splitlines()[1]


def test_pip_installs_where_it_has_a_setting_that_uv_cannot_be_told(
    folder: Path, install: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (folder / "settings").write_text("install.no-binary=':all:'\n")
    of_uv = put_uv_on_path(folder)
    assert install(DEMO, "demo").returncode == 0
    assert not of_uv.exists()
    assert asked(folder) == 1


def test_what_uv_fails_at_is_done_by_pip(
    folder: Path, install: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    put_uv_on_path(folder)
    (folder / "code_of_uv").write_text("2")
    done = install(DEMO, "demo")
    assert done.returncode == 0
    assert "uv could not install it; trying with pip" in done.stderr
    assert asked(folder) == 1
    assert (folder / DEMO).exists()


def test_a_demo_needs_no_pip_in_its_venv_and_tests_get_one(
    folder: Path, install: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (folder / PIP_OF_VENV).rmdir()
    put_uv_on_path(folder)
    assert install(DEMO, "monitor,demo").returncode == 0
    assert asked(folder) == 0
    assert install(ALL, "demo,test").returncode == 0
    assert (folder / "asked").read_text() == "-m ensurepip --upgrade --default-pip\n"


def test_without_uv_a_venv_without_pip_is_served_by_that_of_the_python_that_runs_this(
    folder: Path, install: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (folder / PIP_OF_VENV).rmdir()
    assert install(DEMO, "monitor,demo").returncode == 0
    (line,) = (folder / "asked").read_text().splitlines()
    assert "ensurepip" not in line
    assert "--python .venv/bin/python install" in line
