"""What is in the wheel and in the sdist. That they install and work on each Python: `make package`."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.worker import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCES = {"phoenix_producer": ROOT / "producer", "phoenix_worker": ROOT / "worker"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both distributions."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content."""
    (file,) = built.glob("*.whl")
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder)  # noqa: S202 - just built here
    return folder


def files_below(folder: Path) -> set[str]:
    return {
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and ".dist-info" not in str(file)
    }


def test_the_wheel_has_every_file_of_both_packages_and_nothing_else(wheel: Path) -> None:
    expected = {name for package, folder in SOURCES.items() for name in files_below(folder) if name.startswith(package)}
    assert files_below(wheel) == expected
    assert {"phoenix_producer/py.typed", "phoenix_worker/py.typed"} <= expected
    assert any(name.endswith(".lua") for name in expected)


def test_the_wheel_says_what_it_needs_and_offers(wheel: Path) -> None:
    (info,) = wheel.glob("*.dist-info")
    metadata = message_from_string((info / "METADATA").read_text())
    assert metadata["Version"] == PROJECT["version"]
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert metadata["License-Expression"] == "MIT"
    assert (info / "licenses" / "LICENSE").exists()
    assert set(metadata.get_all("Provides-Extra") or []) == set(PROJECT["optional-dependencies"])
    assert "phoenix-lxc = phoenix_producer.cli:main" in (info / "entry_points.txt").read_text()


def test_the_wheel_alone_is_what_is_imported_and_finds_its_own_files(wheel: Path, tmp_path: Path) -> None:
    script = (
        "import phoenix_producer.client.record, phoenix_producer.cli.phoenix_lxc, phoenix_worker.durable.ledger, sys\n"
        "from importlib.resources import files\n"
        "assert files('phoenix_worker.commands.demo').joinpath('example_catalog.json').is_file()\n"
        "print(phoenix_producer.__file__, phoenix_worker.__file__)"
    )
    environ = {**os.environ, "PYTHONPATH": str(wheel)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environ,
        timeout=180,
    )
    assert all(place.startswith(str(wheel)) for place in done.stdout.split())


def test_the_sdist_has_what_builds_and_tests_it_and_no_secret(built: Path) -> None:
    (file,) = built.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "tests/packaging/test_distribution.py", "Makefile"} <= names
    assert not [name for name in names if name.rpartition("/")[2] == ".env" or name.startswith(".venv")]


def test_the_version_stands_in_one_place() -> None:
    """All else asks the installed distribution; the changelog names what the next release will be."""
    latest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert latest is not None
    assert latest[1] == PROJECT["version"]
    code = [*(ROOT / "producer").rglob("*.py"), *(ROOT / "worker").rglob("*.py")]
    assert not [file for file in code if f'"{PROJECT["version"]}"' in file.read_text()]


def test_what_is_installed_is_used_in_a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens that a developer has made have `serve` listen at every address, which is one of the uses."""
    package = runpy.run_path(str(ROOT / "scripts" / "package.py"))
    program = tmp_path / "phoenix-lxc"
    program.write_text('#!/bin/sh\necho "home $HOME, config $XDG_CONFIG_HOME, worker $PHOENIX_NODE."\n')
    program.chmod(0o755)
    empty = tmp_path / "empty"
    empty.mkdir()
    for name in ("XDG_CONFIG_HOME", "PHOENIX_NODE"):
        monkeypatch.setenv(name, "a-developer-s")
    package["use"](tmp_path, (package["Use"](("phoenix-lxc",), 0, f"home {empty}, config , worker ."),), empty)
