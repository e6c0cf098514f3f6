"""What `make` installs into .venv, and when again: scripts/install.py with a stand-in for the pip of .venv."""

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
echo "$@" >>asked
echo "Collecting celery"
echo "Installing collected packages: celery kombu vine"
exit $(cat code)
"""
DEMO, ALL = ".venv/.installed-demo", ".venv/.installed"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout whose .venv has had something installed, of before the last change."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(PIP)
    python.chmod(0o755)
    for name in ("pyproject.toml", "constraints.txt", "asked"):
        (tmp_path / name).write_text("")
    (tmp_path / "code").write_text("0")
    (tmp_path / DEMO).write_text("old")
    os.utime(tmp_path / DEMO, (0, 0))
    return tmp_path


@pytest.fixture
def install(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def install(mark: str, extras: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "scripts" / "install.py"), mark, extras]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=folder)

    return install


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
