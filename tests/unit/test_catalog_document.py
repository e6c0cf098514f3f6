from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.catalog.loading import CatalogError, load
from tests.unit.catalog_files import DEFAULTS

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = b'{"name": "a", "template": "x.tar.gz"}'


def refused(folder: Path, content: bytes) -> list[str]:
    file = folder / "catalog.json"
    file.write_bytes(content)
    with pytest.raises(CatalogError) as caught:
        load(file, DEFAULTS)
    return [str(refusal) for refusal in caught.value.refusals]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON"),
        (b'{"lxc_configs": {}', "line 1, column 19"),
        (b"[]", "not a JSON object"),
        (b'\xef\xbb\xbf{"lxc_configs": {}}', "byte order mark"),
        ('{"lxc_configs": {}}'.encode("utf-16"), "not UTF-8"),
        (b'{"name": "\xe9"}', "byte 10 is 0xe9"),
        (b'{"x": NaN, "lxc_configs": {}}', "NaN"),
        (b'{"x": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" * 100_000, "nested"),
        (b'{"lxc_configs": {}, "deep": ' + b"[" * 120 + b"]" * 120 + b"}", "nested"),
        (b"{}", "lxc_configs is missing"),
        (b'{"lxc_configs": []}', "lxc_configs is [], not an object"),
        (b'{"lxc_configs":\n{"100": {"entrypoint": "\\ud800"}}}', "\\ud800 in line 2 is half of a surrogate pair"),
        (b'{"lxc_configs": {"100": {"network_config": {"\\uDFFF": "x"}}}}', "\\uDFFF in line 1 is half of"),
        (b'{"\\\\\\ud83d\\\\ude00": 1}', "\\ud83d in line 1 is half of"),
    ],
)
def test_what_is_no_catalog_gets_one_clear_refusal(tmp_path: Path, content: bytes, words: str) -> None:
    (line,) = refused(tmp_path, content)
    assert words in line


def test_a_letter_that_is_spelled_by_a_pair_is_one(tmp_path: Path) -> None:
    file = tmp_path / "catalog.json"
    file.write_bytes(b'{"smile": "\\ud83d\\ude00 \\\\ud83d", "lxc_configs": {}}')
    assert load(file, DEFAULTS).globals["smile"] == "\U0001f600 \\ud83d"


@pytest.mark.parametrize(
    ("content", "ctid", "words"),
    [
        (b'{"lxc_configs": {"103": %b, "103": %b}}' % (ENTRY, ENTRY), 103, "The CTID is given twice"),
        (b'{"lxc_configs": {"103": {"name": "a", "name": "b", "template": "x.tar.gz"}}}', 103, '"name" is given'),
        (b'{"lxc_configs": {"100": {"x": {"a": 1, "a": 2}, "name": "a", "template": "x.tar.gz"}}}', 100, '"x.a" is'),
        (b'{"x": [{"y": {"a": 1, "a": 2}}], "lxc_configs": {}}', None, '"x.0.y.a" is given twice'),
        (b'{"lxc_configs": {}, "lxc_configs": {}}', None, '"lxc_configs" is given twice'),
    ],
)
def test_a_key_written_twice_is_refused_where_it_stands(
    tmp_path: Path, content: bytes, ctid: int | None, words: str
) -> None:
    file = tmp_path / "catalog.json"
    file.write_bytes(content)
    with pytest.raises(CatalogError) as caught:
        load(file, DEFAULTS)
    (refusal,) = caught.value.refusals
    assert refusal.ctid == ctid
    assert words in refusal.problem


def test_other_refusals_are_told_beside_a_repeated_key(tmp_path: Path) -> None:
    assert len(refused(tmp_path, b'{"a": 1, "a": 2, "lxc_configs": {"103": {"name": "a"}}}')) == 2


@pytest.mark.parametrize("name", ["missing.json", ".", "nul\0byte", "pipe", "large", "device"])
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(33 * 1024 * 1024)
    with pytest.raises(CatalogError, match="cannot be read"):
        load(tmp_path / name, DEFAULTS)


def test_a_number_without_end_is_refused_like_nan(tmp_path: Path) -> None:
    file = tmp_path / "catalog.json"
    file.write_text('{"lxc_configs": {}, "x": 1e999}')
    with pytest.raises(CatalogError) as refused:
        load(file, DEFAULTS)
    (refusal,) = refused.value.refusals
    assert "1e999 is not a JSON number" in refusal.problem
