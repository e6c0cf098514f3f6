"""What a release is made of: the SBOM, what is refused, what the index is told, and the hosted workflows."""

from __future__ import annotations

import json
import os
import re
import shutil
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


@pytest.mark.long
@pytest.mark.skipif(shutil.which("gpg") is None, reason="signs with GnuPG")
def test_a_release_is_built_signed_with_the_key_of_git_and_tagged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a clone, with two keys: gpg alone would take the first."""
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(keys))
    prints = [new_key(name) for name in ("first", "second")]
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True, timeout=60)
    for name, value in (("user.name", "a"), ("user.email", "a@b.example"), ("user.signingkey", prints[1])):
        git(clone, "config", name, value)
    changes = clone / "CHANGELOG.md"
    changes.write_text(changes.read_text().replace(f"## {VERSION} - Unreleased", f"## {VERSION} - 2026-11-27"))
    git(clone, "commit", "-qam", "Date it")
    done = released(folder=clone)
    assert done.returncode == 0, done
    assert done.stdout.endswith(f"To publish it: git push origin v{VERSION}\n")
    built = sorted(file for file in (clone / "dist").iterdir() if file.suffix != ".asc")
    assert [file.name.removeprefix(f"phoenix_lxc-{VERSION}") for file in built] == [
        "-py3-none-any.whl",
        ".cdx.json",
        ".tar.gz",
    ]
    shown = [["gpg", "--status-fd=1", "--verify", f"{file}.asc", str(file)] for file in built]
    for command in (*shown, ["git", "verify-tag", "--raw", f"v{VERSION}"]):
        verified = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, cwd=clone)
        assert f"VALIDSIG {prints[1]}" in verified.stdout + verified.stderr, command


def new_key(name: str) -> str:
    """Make a key; returns its fingerprint."""
    making = ["--batch", "--passphrase", "", "--quick-generate-key", f"{name}@b.example", "ed25519", "sign", "1d"]
    made = subprocess.run(
        ["gpg", "--quiet", "--status-fd=1", *making], check=True, capture_output=True, text=True, timeout=60
    )
    return made.stdout.split("KEY_CREATED P ")[1].split()[0]


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


def test_what_is_published_is_what_was_built_from_the_tag_of_this_version(repository: Path) -> None:
    """An index takes each version once: a tag of another version published this one again, or first."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    assert workflow[True] == {"push": {"tags": ["v*"]}}, "YAML 1.1 reads `on` as true"
    steps = workflow["jobs"]["build"]["steps"]
    commands = [step.get("run", "") for step in steps]
    checked, built = ([word in command for command in commands].index(True) for word in ("--tag", "hatchling build"))
    assert checked < built
    given = {step["with"]["name"]: step["with"]["path"] for step in steps if "upload-artifact" in step.get("uses", "")}
    publish = workflow["jobs"]["publish"]
    (taken,) = (step["with"] for step in publish["steps"] if "download-artifact" in step["uses"])
    assert (publish["needs"], taken) == ("build", {"name": "dist", "path": "dist"})
    assert given == {"dist": "dist", "sbom": "sbom"}
    assert "-d dist" in commands[built]
    ended = "CHANGELOG.md has no heading"
    assert ended in released("--tag", f"v{VERSION}", folder=repository).stdout
    (repository / "CHANGELOG.md").write_text(f"## {VERSION} - 2026-11-27\n")
    assert released("--tag", f"v{VERSION}", folder=repository).returncode == 0
    for tag in ("v99.0.0", VERSION, ""):
        refused = released("--tag", tag, folder=repository)
        assert (refused.returncode, refused.stdout.partition(",")[0]) == (1, f"Not published. The tag is {tag}")


def test_every_file_that_names_the_version_names_the_same() -> None:
    first = re.search(r"^## (\S+) - ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    named = {"CHANGELOG.md": {first[1]} if first else set()}
    for name in ("compose.yaml", "deploy/demo/compose.yaml"):
        text = (ROOT / name).read_text()
        named[name] = set(re.findall(r"(?:phoenix-lxc(?:-demo)?:|VERSION: )([\w.]+)", text))
    assert set(map(frozenset, named.values())) == {frozenset({VERSION})}, named


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_and_runs_targets_that_there_are(workflow: Path) -> None:
    text = workflow.read_text()
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    targets = set(re.findall(r"\bmake (?!\.venv)([a-z-]+)", text))
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets <= known
    files = set(re.findall(r"(?<![\w/.])(?:scripts|deploy|tests)/[\w./-]*[\w]", text))
    assert {name for name in files if not (ROOT / name).exists()} == set()
