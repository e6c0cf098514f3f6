"""What a release is made of: the SBOM, what is refused, what the index is told, and the hosted workflows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.worker import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION = PROJECT["version"]
REPOSITORY = "https://forge.example/owner/phoenix-lxc"
FOR_TESTS = {"demo", "test", "bench", "mutants", "docs"}
"""The extras that nobody runs in production."""
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def released(*words: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "release.py"), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=folder)


def test_the_sbom_has_what_production_needs_and_nothing_of_the_tests() -> None:
    bom = json.loads(released("--sbom").stdout)
    assert (bom["bomFormat"], bom["metadata"]["component"]["purl"]) == ("CycloneDX", f"pkg:pypi/phoenix-lxc@{VERSION}")
    names = {one["name"] for one in bom["components"]}
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *(one for extra in extras if extra not in FOR_TESTS for one in extras[extra])]
    assert {re.split(r"[\[<>=]", one)[0] for one in wanted} - {"phoenix-lxc"} <= names
    assert {"kombu", "cryptography", "tornado"} <= names, "what these need"
    assert not names & {"pytest", "mypy", "hypothesis", "fakepve", "phoenix-lxc"}
    assert all(one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}" for one in bom["components"])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository that is ready but for its changelog."""
    (tmp_path / "pyproject.toml").write_text(f'[project]\nversion = "{VERSION}"\n')
    (tmp_path / "CHANGELOG.md").write_text(f"## {VERSION} - Unreleased\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Begin"]):
        git(tmp_path, *words)
    return tmp_path


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false")
    subprocess.run(["git", *who, *words], check=True, cwd=folder, capture_output=True, timeout=180)


def test_what_is_not_ready_is_not_released(repository: Path) -> None:
    assert "CHANGELOG.md has no heading" in released(folder=repository).stdout
    (repository / "CHANGELOG.md").write_text(f"## {VERSION} - 2026-11-27\n")
    refused = released(folder=repository)
    assert (refused.returncode, refused.stdout) == (1, "Not released. The tree has changes: commit them first.\n")
    git(repository, "commit", "-qam", "Date it")
    git(repository, "tag", f"v{VERSION}")
    assert "is tagged already" in released(folder=repository).stdout
    assert not (repository / "dist").exists()


@pytest.mark.parametrize("address", ["", REPOSITORY])
def test_the_index_is_told_where_the_project_lives_if_that_is_given(address: str, tmp_path: Path) -> None:
    environ = {**os.environ, "PHOENIX_LXC_REPOSITORY": address}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120, env=environ)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        metadata = message_from_string(archive.read(name).decode())
    named = dict(str(one).split(", ", 1) for one in metadata.get_all("Project-URL") or [])
    assert metadata["Description-Content-Type"] == "text/markdown"
    targets = re.findall(r"\]\(([^)\s]+)\)", str(metadata.get_payload()))
    assert len(targets) > 20
    relative = [target for target in targets if not target.startswith(("https://", "#"))]
    if not address:
        assert (named, bool(relative)) == ({}, True)
        return
    assert named["Source"] == REPOSITORY
    assert set(named) == {"Source", "Documentation", "Changelog", "Issues"}
    assert relative == []
    assert f"{REPOSITORY}/blob/v{VERSION}/docs/architecture.md" in targets
    assert f"{REPOSITORY}/raw/v{VERSION}/docs/pictures/now.png" in targets


def test_the_workflows_test_what_the_package_promises() -> None:
    ci = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    matrix = ci["jobs"]["test"]["strategy"]["matrix"]
    promised = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    assert matrix["python"] == promised == ["3.11", "3.12", "3.13", "3.14"]
    assert matrix["server"] == ["valkey/valkey:8", "valkey/valkey:9", "redis:7"]
    assert {"check", "test", "docs", "coverage", "image"} <= set(ci["jobs"])
    publish = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]["publish"]
    assert (publish["environment"], publish["permissions"]) == ("pypi", {"id-token": "write"})


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_and_runs_targets_that_there_are(workflow: Path) -> None:
    text = workflow.read_text()
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    targets = set(re.findall(r"\bmake (?!\.venv)([a-z-]+)", text))
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets <= known
