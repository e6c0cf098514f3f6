from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from phoenix_worker.catalog import migration
from phoenix_worker.catalog.schema import catalog_schema
from phoenix_worker.commands import catalog, migrate
from tests.unit.catalog_files import template, write
from tests.unit.test_catalog_loading import EXAMPLE
from tests.unit.test_catalog_refusals import EVERY
from tests.unit.test_migration import NEW, OLD, serving

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


@pytest.fixture
def root() -> typer.Typer:
    """The command line as `phoenix-lxc` puts it together."""
    app = typer.Typer()
    app.add_typer(catalog.app, name="catalog")
    app.add_typer(migrate.app, name="migrate")
    return app


def run(root: typer.Typer, *arguments: object) -> Result:
    return CliRunner().invoke(root, [str(argument) for argument in arguments], catch_exceptions=False)


def test_a_catalog_in_order_ends_with_0(root: typer.Typer, tmp_path: Path) -> None:
    result = run(root, "catalog", "check", EXAMPLE)
    assert result.exit_code == 0
    assert "is valid. Containers: 3, templates: 2." in result.stdout
    assert "warning" not in result.stdout
    assert "Handed to scripts only: ports, vllm_engine_config." in result.stdout.splitlines()
    alone = shutil.copy(EXAMPLE, tmp_path)
    result = run(root, "catalog", "check", alone)
    assert result.exit_code == 0
    assert "warning: CT 900: features/base_setup.sh not found" in result.stdout


def test_scripts_on_the_node_are_not_looked_for_beside_the_catalog(
    root: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = template(features=["on_node_feature"], application_script="in_container_app.sh")
    file = write(tmp_path, {"lxc_configs": {"103": entry}})
    for pattern in ("", "features/{feature}.sh"):
        monkeypatch.setenv("PHOENIX_SCRIPTS", pattern)
        assert "not found beside the catalog" in run(root, "catalog", "check", file).stdout
    monkeypatch.setenv("PHOENIX_SCRIPTS", "/usr/local/bin/install_{feature}.sh")
    assert "warning: CT 103: in_container_app.sh not found beside" in run(root, "catalog", "check", file).stdout
    for pattern in ("/usr/local/bin/{script}", "{script}"):
        monkeypatch.setenv("PHOENIX_APPLICATION_SCRIPTS", pattern)
        result = run(root, "catalog", "check", file)
        assert (result.exit_code, "warning" in result.stdout) == (0, False)
        (tmp_path / "in_container_app.sh").write_text("#!/bin/sh\n")
    monkeypatch.setenv("PHOENIX_APPLICATION_SCRIPTS", "apps/")
    assert "PHOENIX_APPLICATION_SCRIPTS: does not say where" in run(root, "catalog", "check", file).stderr
    monkeypatch.delenv("PHOENIX_APPLICATION_SCRIPTS")
    monkeypatch.setenv("PHOENIX_SCRIPTS", "/usr/local/bin/install.sh")
    result = run(root, "catalog", "check", file)
    assert result.exit_code == 2
    assert "PHOENIX_SCRIPTS: does not say where the feature's name goes" in result.stderr


def test_what_fits_many_is_one_line_with_their_ctids(root: typer.Typer, tmp_path: Path) -> None:
    entries = {ctid: template(template_snapshot_name="s", memroy_mb=1) for ctid in ("103", "104", "105")}
    result = run(root, "catalog", "check", write(tmp_path, {"lxc_configs": entries}))
    told = [line for line in result.stdout.splitlines() if line.startswith("warning: ")]
    assert len(told) == 2
    for line, key in zip(told, ('"memroy_mb"', "template_snapshot_name"), strict=True):
        assert line.startswith(f"warning: CT 103: {key} ")
        assert line.endswith(" The same for 104, 105.")
    report = json.loads(run(root, "catalog", "check", "--json", tmp_path / "catalog.json").stdout)
    assert len(report["warnings"]) == 6, "a program reads each"


def test_a_refused_catalog_ends_with_2_and_every_refusal(root: typer.Typer) -> None:
    result = run(root, "catalog", "check", EVERY)
    assert result.exit_code == 2
    lines = [line for line in result.stdout.splitlines() if line.startswith("refused: ")]
    assert (
        "refused: CT 101: clone_from_ctid 999 is not in the catalog. Declare 999, or name one of 102, 900, 901."
        in lines
    )
    assert len(lines) == 23, "a script that is missing is a warning here"
    assert "\x1b" not in result.output


def test_a_check_as_json(root: typer.Typer) -> None:
    result = run(root, "catalog", "check", EVERY, "--json")
    assert result.exit_code == 2
    report = json.loads(result.stdout)
    assert report["ok"] is False
    assert {
        "ctid": 99,
        "problem": '"99" is not a CTID.',
        "remedy": "Use a number from 100 to 999999999 as its key.",
    } in (report["refusals"])
    assert {warning["ctid"] for warning in report["warnings"]} == {101, 116}
    good = json.loads(run(root, "catalog", "check", "--json", EXAMPLE).stdout)
    assert (good["ok"], good["containers"], good["templates"]) == (True, [101, 103, 801], [900, 901])
    assert good["for_scripts"].keys() == {"ports", "vllm_engine_config"}


@pytest.mark.parametrize("command", [("catalog", "check"), ("migrate",)])
def test_what_cannot_be_read_ends_with_2(root: typer.Typer, tmp_path: Path, command: tuple[str, ...]) -> None:
    for name in ("missing.json", "."):
        result = run(root, *command, tmp_path / name)
        assert result.exit_code == 2
        assert "cannot be read" in result.output


def test_one_error_is_told_in_the_singular(root: typer.Typer, tmp_path: Path) -> None:
    for wrong, told in ((1, "1 error."), (2, "2 errors.")):
        entries = {str(ctid): template(name="no name") for ctid in range(103, 103 + wrong)}
        result = run(root, "catalog", "check", write(tmp_path, {"lxc_configs": entries}))
        assert result.stderr.endswith(f"catalog.json: {told}\n")


@pytest.mark.parametrize("content", ["{}", '{"lxc_configs": {}}'])
def test_the_name_of_the_file_is_told_without_its_escapes(root: typer.Typer, tmp_path: Path, content: str) -> None:
    file = tmp_path / "\x1b[31mred\nline\udce9.json"
    file.write_text(content)
    result = run(root, "catalog", "check", file)
    assert "red line\ufffd.json" in result.output


def test_text_of_the_file_is_no_markup(root: typer.Typer, tmp_path: Path) -> None:
    file = write(tmp_path, {"lxc_configs": {"[red]": {}, "103": template(name="[bold]x[/]"), "\u0007": {}}})
    result = run(root, "catalog", "check", file)
    assert result.exit_code == 2
    assert 'CT 103: name "[bold]x[/]" is not a DNS name' in result.output
    assert "CT [red]: " in result.output
    assert "\u0007" not in result.output


def test_a_migration_prints_a_diff_and_leaves_the_file(root: typer.Typer, tmp_path: Path) -> None:
    file = write(tmp_path, OLD)
    result = run(root, "migrate", file)
    assert result.exit_code == 0
    assert '-        "102": {"template_file": "copy-cuda-v1.tar.gz"},' in result.stdout
    assert '+        "102": {"clone_from_ctid": 901},' in result.stdout
    assert "--write" in result.stderr
    assert file.read_text() == OLD


def test_a_migration_says_who_runs_unconfined_from_now_on(root: typer.Typer, tmp_path: Path) -> None:
    line = {"lxc_options": ["lxc.apparmor.profile: unconfined"]}
    told = {"apparmor_profile": "unconfined", "template_snapshot_name": "s"}
    entries = {"101": told, "102": {**told, "lxc_options": []}, "103": told | line, "104": {"apparmor_profile": "x"}}
    result = run(root, "migrate", write(tmp_path, {"lxc_configs": entries}))
    assert result.exit_code == 0
    (warning,) = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert warning.startswith("warning: CT 101: apparmor_profile is applied now")
    assert warning.endswith("Remove the key to keep it confined. The same for 102.")


def test_a_migration_overwrites_with_write(root: typer.Typer, tmp_path: Path) -> None:
    file = write(tmp_path, OLD)
    file.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(file)
    assert run(root, "migrate", link, "--write").exit_code == 0
    assert link.is_symlink()
    assert file.read_text() == NEW
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["catalog.json", "link.json"]


def test_the_command_that_looks_at_a_migrated_file_is_typed_as_printed(root: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "my catalogs").mkdir()
    file = write(tmp_path / "my catalogs", OLD)
    told = run(root, "migrate", file, "--write").output
    words = shlex.split(told.partition("phoenix-lxc ")[2])
    assert words == ["catalog", "check", str(file)]


def test_options_may_stand_before_the_file(root: typer.Typer, tmp_path: Path) -> None:
    file = write(tmp_path, OLD)
    assert run(root, "migrate", "--write", file).exit_code == 0
    assert file.read_text() == NEW


def test_nothing_to_migrate_is_a_success(root: typer.Typer, tmp_path: Path) -> None:
    file = write(tmp_path, NEW)
    before = file.stat()
    result = run(root, "migrate", file, "--write")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "needs no migration" in result.stderr
    assert file.stat().st_ino == before.st_ino


def test_what_cannot_be_migrated_ends_with_2(root: typer.Typer, tmp_path: Path) -> None:
    result = run(root, "migrate", write(tmp_path, {"lxc_configs": {"103": {"template_file": "x"}}}), "--write")
    assert result.exit_code == 2
    assert 'refused: CT 103: template_file "x" has no source_ctid' in result.stderr


def test_a_service_becomes_a_template_only_by_name(root: typer.Typer, tmp_path: Path) -> None:
    file = write(tmp_path, serving(start_at_boot=True))
    before = file.read_text()
    stopped = run(root, "migrate", file, "--write")
    assert (stopped.exit_code, file.read_text()) == (2, before)
    assert "refused: CT 900: It would become a template" in stopped.stderr
    assert run(root, "migrate", file, "--write", "--seal", 900).exit_code == 0
    assert "template_file" not in file.read_text()


def test_a_file_that_cannot_be_written_ends_with_1(
    root: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    file = write(tmp_path, OLD)
    monkeypatch.setattr(os, "fsync", full)
    result = run(root, "migrate", file, "--write")
    assert result.exit_code == 1
    assert "could not be written: No space left on device" in result.stderr
    assert file.read_text() == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["catalog.json"]


def test_a_file_that_changes_meanwhile_is_left_alone(
    root: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, OLD)

    def edited_meanwhile(text: str, **how: Any) -> str:
        file.write_text("edited")
        return migration.migrate(text, **how)

    monkeypatch.setattr(migrate, "migrated", edited_meanwhile)
    result = run(root, "migrate", file, "--write")
    assert result.exit_code == 1
    assert "changed meanwhile" in result.stderr
    assert file.read_text() == "edited"


def test_the_schema_is_printed(root: typer.Typer) -> None:
    result = run(root, "catalog", "schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == catalog_schema()


def test_settings_that_decide_what_is_refused_are_those_of_the_workers(
    root: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group of two that must be apart fits on any two nodes, and CTIDs of copies are for nothing else."""
    apart = {"spread": {"group": "web", "require": True}}
    file = tmp_path / "catalog.json"
    file.write_text(json.dumps({"lxc_configs": {ctid: template(**apart) for ctid in ("103", "104")}}))
    assert run(root, "catalog", "check", file).exit_code == 0
    for name, value, said in (
        ("PHOENIX_NODE", "pve1", "CT 104: Its spread web is required, and no node is left for it"),
        ("PHOENIX_COPY_CTIDS", "104-109", "CT 104: 104 is one of the CTIDs of template copies (104-109)."),
        ("PHOENIX_SCRATCH_CTIDS", "103-103", "CT 103: 103 is one of the CTIDs at which templates are rebuilt"),
        ("PHOENIX_COPY_CTIDS", "109-104", "PHOENIX_COPY_CTIDS: is not a range of CTIDs"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            refused = run(root, "catalog", "check", file)
        assert (refused.exit_code, said in refused.output) == (2, True), refused.output
