from __future__ import annotations

import base64
import json
import logging
import os
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog import files
from phoenix_worker.catalog import source as module
from phoenix_worker.catalog.loading import CatalogError, load_bytes
from phoenix_worker.catalog.source import CatalogChanged, CatalogSource
from tests.unit.catalog_files import DEFAULTS, template, write

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix_worker.catalog.loading import Catalog

BAD = '{"lxc_configs": {"103": {}}}'
LONG_AGO = 1_000_000_000
SCRIPT = "features/a.sh"


def put(folder: Path, cores: int, mtime: int | None = None) -> Path:
    file = write(folder, {"lxc_configs": {"103": template(cores=cores)}})
    if mtime is not None:
        os.utime(file, (mtime, mtime))
    return file


def cores(catalog: Catalog) -> int | None:
    return catalog[103].cores


def loud(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    source = CatalogSource(put(tmp_path, 1), DEFAULTS)
    assert cores(source.current()) == 1
    put(tmp_path, 2)
    assert cores(source.current()) == 2


@pytest.mark.parametrize("how", ["written", "replaced", "gone and back"])
def test_a_changed_file_of_keys_is_read_again(tmp_path: Path, how: str) -> None:
    keys, other = tmp_path / "staff.pub", tmp_path / "other.pub"
    keys.write_text("ssh-ed25519 AAAA first\n")
    source = CatalogSource(write(tmp_path, {"lxc_configs": {"103": template(ssh_public_keys="staff.pub")}}), DEFAULTS)
    before = source.current()[103]
    if how == "gone and back":
        keys.unlink()
        assert source.current()[103].hash != before.hash
    other.write_text("ssh-ed25519 AAAA other\n")
    other.replace(keys) if how == "replaced" else keys.write_text(other.read_text())
    after = source.current()[103]
    assert after.access[0].given == "ssh-ed25519 AAAA other\n"
    assert after.hash != before.hash


def test_a_settled_file_is_neither_read_nor_parsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SETTLED_S", 0.0)
    source = CatalogSource(put(tmp_path, 1, LONG_AGO), DEFAULTS)
    first = source.current()
    monkeypatch.delattr(module, "read")
    assert source.current() is first


def test_a_change_within_one_time_stamp_is_seen(tmp_path: Path) -> None:
    file = put(tmp_path, 1)
    source = CatalogSource(file, DEFAULTS)
    source.current()
    before = file.stat()
    file.write_text(file.read_text().replace('"cores": 1', '"cores": 2'))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cores(source.current()) == 2


def with_script(folder: Path, text: str, mtime: int = LONG_AGO) -> Path:
    script = folder / SCRIPT
    script.parent.mkdir(exist_ok=True)
    script.write_text(text)
    os.utime(script, (mtime, mtime))
    return write(folder, {"lxc_configs": {"103": template(features=["a"])}})


def served(source: CatalogSource) -> bytes:
    (script,) = source.current()[103].scripts
    return base64.b64decode(script.content or "")


def test_a_script_that_is_replaced_while_the_catalog_loads_is_served_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SETTLED_S", 0.0)
    source = CatalogSource(with_script(tmp_path, "echo 1"), DEFAULTS)

    def load_while_it_changes(*args: Any) -> Catalog:
        loaded = load_bytes(*args)
        with_script(tmp_path, "echo 2")
        return loaded

    monkeypatch.setattr(module, "load_bytes", load_while_it_changes)
    source.current()
    monkeypatch.undo()
    assert served(source) == b"echo 2"


def test_a_script_of_the_same_size_and_time_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SETTLED_S", 0.0)
    source = CatalogSource(with_script(tmp_path, "echo 1"), DEFAULTS)
    assert served(source) == b"echo 1"
    with_script(tmp_path, "echo 2")
    assert served(source) == b"echo 2"


def test_a_script_within_one_time_stamp_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on file systems that count in seconds: nothing is seen from outside."""
    source = CatalogSource(with_script(tmp_path, "echo 1"), DEFAULTS)
    monkeypatch.setattr(module, "stat_of", lambda _: (0, time.time_ns(), 0, 0))
    assert served(source) == b"echo 1"
    with_script(tmp_path, "echo 2")
    assert served(source) == b"echo 2"


@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_the_clock_of_a_file_server_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """Whatever it says: a script that changed within one time stamp is seen, and what is settled is not read again."""
    stamp, seconds = time.time_ns() + ahead * 10**9, [1000.0]
    for one in (module, files):
        monkeypatch.setattr(one, "stat_of", lambda _: (stamp, stamp, 0, 0))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: seconds[0], time=time.time))
    source = CatalogSource(with_script(tmp_path, "echo 1"), DEFAULTS)
    assert served(source) == b"echo 1"
    with_script(tmp_path, "echo 2")
    assert served(source) == b"echo 2"
    seconds[0] += 3
    assert served(source) == b"echo 2"
    monkeypatch.delattr(module, "read")
    assert served(source) == b"echo 2"


def test_touching_the_file_changes_nothing(tmp_path: Path) -> None:
    file = put(tmp_path, 1, LONG_AGO)
    source = CatalogSource(file, DEFAULTS)
    first = source.current()
    os.utime(file, (LONG_AGO + 5, LONG_AGO + 5))
    assert source.current() is first


@pytest.mark.parametrize("mtime", [None, LONG_AGO])
def test_a_bad_file_keeps_the_last_good_one_and_warns_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mtime: int | None
) -> None:
    source = CatalogSource(put(tmp_path, 1), DEFAULTS)
    source.current()
    file = write(tmp_path, BAD)
    if mtime is not None:
        os.utime(file, (mtime, mtime))
    assert [cores(source.current()) for _ in range(3)] == [1, 1, 1]
    (line,) = loud(caplog)
    assert str(file) in line
    assert "CT 103: name is missing" in line
    assert "the last good one stays in use" in line


def test_each_bad_content_warns_anew_and_a_good_one_ends_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = CatalogSource(put(tmp_path, 1), DEFAULTS)
    for content in (BAD, "{", BAD):
        source.current()
        write(tmp_path, content)
        source.current()
    put(tmp_path, 3)
    assert cores(source.current()) == 3
    assert len(loud(caplog)) == 3


def test_a_file_that_is_gone_keeps_the_last_good_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = put(tmp_path, 1, LONG_AGO)
    source = CatalogSource(file, DEFAULTS)
    source.current()
    file.unlink()
    assert [cores(source.current()) for _ in range(2)] == [1, 1]
    assert len(loud(caplog)) == 1
    put(tmp_path, 1, LONG_AGO)
    assert cores(source.current()) == 1


def test_why_the_file_is_refused_is_kept_until_it_is_good(tmp_path: Path) -> None:
    source = CatalogSource(put(tmp_path, 1), DEFAULTS)
    assert source.refusal() is None
    file = write(tmp_path, BAD)
    assert str(source.refusal()).startswith("CT 103: name is missing")
    file.unlink()
    assert "cannot be read" in str(source.refusal())
    put(tmp_path, 1)
    assert source.refusal() is None


def test_without_any_good_catalog_the_refusals_are_raised(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = CatalogSource(write(tmp_path, BAD), DEFAULTS)
    for _ in range(2):
        with pytest.raises(CatalogError) as caught:
            source.current()
        assert caught.value.refusals
    assert len(loud(caplog)) == 1


def test_a_job_keeps_the_declaration_it_began_with(tmp_path: Path) -> None:
    source = CatalogSource(put(tmp_path, 1), DEFAULTS)
    begun = source.current()[103]
    for number in range(2, 7):
        put(tmp_path, number)
        source.current()
    assert source.serve(103, begun.hash).cores == 1
    assert source.serve(103, source.current()[103].hash).cores == 6


def test_a_declaration_that_is_not_to_be_had_is_told(tmp_path: Path) -> None:
    source = CatalogSource(put(tmp_path, 1), DEFAULTS)
    with pytest.raises(CatalogChanged, match="The catalog entry of CT 103 changed") as caught:
        source.serve(103, "0123456789abcdef")
    assert caught.value.ctid == 103
    assert caught.value.remedy == "Send the request again."
    with pytest.raises(CatalogChanged, match="The catalog entry of CT 104 was removed"):
        source.serve(104, "0123456789abcdef")


def test_serve_sees_a_new_file_itself(tmp_path: Path) -> None:
    file = put(tmp_path, 1)
    source = CatalogSource(file, DEFAULTS)
    source.current()
    put(tmp_path, 2)
    wanted = CatalogSource(file, DEFAULTS).current()[103].hash
    assert source.serve(103, wanted).cores == 2


def test_threads_share_one_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SETTLED_S", 0.0)
    readings: list[bytes] = []

    def counted(path: Path) -> bytes:
        readings.append(path.read_bytes())
        return readings[-1]

    monkeypatch.setattr(module, "read", counted)
    source = CatalogSource(put(tmp_path, 1, LONG_AGO), DEFAULTS)
    seen: list[int | None] = []
    threads = [threading.Thread(target=lambda: seen.append(cores(source.current()))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 16
    assert len(readings) == 1


def test_advice_is_logged_once_for_each_content(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    file = write(tmp_path, json.dumps({"lxc_configs": {"103": template(memroy_mb=1)}}))
    source = CatalogSource(file, DEFAULTS)
    source.current()
    source.current()
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        'CT 103: "memroy_mb" has no effect. memory_mb was probably meant.'
    ]
