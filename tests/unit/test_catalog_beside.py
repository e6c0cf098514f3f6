"""What lies beside a catalog may change at any moment, as the catalog itself."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.client.regular_files import read_regular
from phoenix_worker.catalog import files
from phoenix_worker.catalog import source as module
from phoenix_worker.catalog.loading import CatalogError
from phoenix_worker.catalog.source import CatalogSource
from tests.unit.catalog_files import DEFAULTS, template, write
from tests.unit.test_catalog_source import LONG_AGO, SCRIPT, cores, loud, put, with_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BESIDE: dict[str, tuple[str, Callable[[Path], object], Callable[[Path], object]]] = {
    "a link in a directory": (
        "features/files/link",
        lambda file: file.symlink_to("/etc"),
        lambda file: file.unlink(),
    ),
    "a line that is no key": (
        "staff.pub",
        lambda file: file.write_text("no key"),
        lambda file: file.write_text("ssh-ed25519 AAAA first\n"),
    ),
    "a script that is too large": (
        SCRIPT,
        lambda file: os.truncate(file, files.FILE_AT_MOST + 1),
        lambda file: os.truncate(file, 0),
    ),
}


@pytest.mark.parametrize("good_before", [True, False])
@pytest.mark.parametrize("wrong", BESIDE)
def test_what_is_refused_for_a_file_beside_it_is_read_again_when_that_is_corrected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wrong: str, *, good_before: bool
) -> None:
    monkeypatch.setattr(module, "_SETTLED_S", 0.0)
    name, spoil, correct = BESIDE[wrong]
    file = put(tmp_path, 1)
    source = CatalogSource(file, DEFAULTS)
    if good_before:
        assert cores(source.current()) == 1
    with_script(tmp_path, "echo 1")
    (tmp_path / "features/files").mkdir()
    (tmp_path / "staff.pub").touch()
    spoil(tmp_path / name)
    write(tmp_path, {"lxc_configs": {"103": template(cores=2, features=["a"], ssh_public_keys="staff.pub")}})
    for _ in range(2):
        with suppress(CatalogError):
            assert cores(source.current()) == 1
    assert len(loud(caplog)) == 1
    correct(tmp_path / name)
    assert cores(source.current()) == 2


def test_a_directory_of_any_number_of_files_is_looked_at_no_longer_than_one_that_is_pushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look is made for every task."""
    looked: list[str] = []
    scandir = os.scandir

    @contextmanager
    def counted(path: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        with scandir(path) as entries:
            yield (entry for entry in entries if not looked.append(entry.name))  # type: ignore[func-returns-value]

    for number in range(60):
        (tmp_path / str(number)).touch()
    monkeypatch.setattr(files, "_SEEN_AT_MOST", 20)
    monkeypatch.setattr(os, "scandir", counted)
    assert files.stat_of(tmp_path) == files.stat_of(tmp_path)
    assert len(looked) == 2 * 20


def test_a_script_that_changes_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when somebody copies a longer one over it, piece by piece."""
    script = tmp_path / "a.sh"
    script.write_text("echo ")
    pieces = ["half", " and half"]

    def read_while_it_grows(path: Path, most: int) -> bytes:
        content = read_regular(path, most)
        if pieces:
            script.write_text(script.read_text() + pieces.pop(0))
        return content

    monkeypatch.setattr(files, "read_regular", read_while_it_grows)
    assert files.read_file(script).content == b"echo half and half"


@pytest.mark.parametrize("beside", ["a.sh", "files/conf"])
def test_what_goes_on_changing_is_not_taken_and_the_last_good_catalog_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: str
) -> None:
    growing = (tmp_path / SCRIPT).parent / beside
    file = with_script(tmp_path, "echo 1")
    growing.parent.mkdir(exist_ok=True)
    growing.write_text("echo 1")
    source = CatalogSource(file, DEFAULTS)
    good = source.current()[103]

    def grown(path: Path) -> files.FileStat | None:
        with growing.open("a") as more:
            more.write("x")
        return stat_of(path)

    stat_of = files.stat_of
    with monkeypatch.context() as writing:
        writing.setattr(files, "stat_of", grown)
        writing.setattr(files, "_PAUSES_S", (0.0, 0.0))
        assert source.current()[103] == good
        refusal = source.refusal()
    assert refusal is not None
    assert "changes while it is read" in refusal.problem
    assert refusal.remedy == "Wait until it is written; mv puts another in its place as a whole."
    assert source.refusal() is None
    assert source.current()[103].hash != good.hash


def test_a_touched_script_is_read_once_more_and_not_for_every_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SETTLED_S", 0.0)
    source = CatalogSource(with_script(tmp_path, "echo 1"), DEFAULTS)
    source.current()
    os.utime(tmp_path / SCRIPT, (LONG_AGO + 5, LONG_AGO + 5))
    first = source.current()
    monkeypatch.delattr(module, "read")
    assert source.current() is first


def test_a_change_in_a_directory_beside_a_script_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SETTLED_S", 0.0)
    directory = tmp_path / "features" / "files"
    (tmp_path / "features").mkdir()
    (tmp_path / SCRIPT).touch()
    file = write(tmp_path, {"lxc_configs": {"103": template(features=["a"])}})
    source = CatalogSource(file, DEFAULTS)
    seen = [source.current()[103].scripts[0].hash]

    def see_another() -> None:
        hashed = source.current()[103].scripts[0].hash
        assert hashed not in seen
        assert source.current() is source.current()
        seen.append(hashed)

    (directory / "inner").mkdir(parents=True)
    see_another()
    (directory / "inner" / "conf").write_text("one")
    see_another()
    (directory / "inner" / "conf").write_text("two")
    see_another()
    (directory / "link").symlink_to("/etc")
    assert source.current()[103].scripts[0].hash == seen[-1], "the last good one"
    assert "which leads out of it" in str(source.refusal())
    (directory / "link").unlink()
    (directory / "inner" / "conf").rename(directory / "conf")
    see_another()
