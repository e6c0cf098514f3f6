"""What is said of files that settings name: each problem is one line, whatever their names have in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_producer.client.secret_files import secret
from phoenix_producer.contract import ContractError
from tests.unit.test_settings import complaint, folder, needed

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["folder", "needed"]

HOSTILE = "/nowhere/\x1b[31mred\nPHOENIX_NODE: is not set"
SHOWN = "/nowhere/red PHOENIX_NODE: is not set"


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize(
    "name",
    [
        "PHOENIX_SHELL_KEY_FILE",
        "PHOENIX_SHELL_KNOWN_HOSTS",
        "PHOENIX_PROXMOX_CA_FILE",
        "PHOENIX_REDIS_CA_FILE",
        "PHOENIX_REDIS_PASSWORD_FILE",
    ],
)
def test_the_name_of_a_file_is_told_on_one_line_without_escapes(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, HOSTILE)
    _, told = complaint().splitlines()
    assert name in told
    assert SHOWN in told


@pytest.mark.parametrize("path", [HOSTILE, "/nowhere\0"])
def test_a_producer_is_told_so_too(path: str) -> None:
    with pytest.raises(ContractError) as refused:
        secret({"PHOENIX_REDIS_PASSWORD_FILE": path}, "PHOENIX_REDIS_PASSWORD")
    assert str(refused.value).isprintable()
    assert "cannot be read (" in str(refused.value)


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize("content", ["", "\n", "\r\n"])
@pytest.mark.parametrize("name", ["REDIS_URL", "REDIS_PASSWORD", "PROXMOX_TOKEN_VALUE", "WEBHOOK_SECRET"])
def test_an_empty_file_is_no_secret(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str) -> None:
    """A password that is not there would be a Redis without one."""
    (folder / "empty").write_text(content)
    monkeypatch.delenv(f"PHOENIX_{name}", raising=False)
    monkeypatch.setenv(f"PHOENIX_{name}_FILE", str(folder / "empty"))
    assert complaint().splitlines()[1:] == [f"  PHOENIX_{name}_FILE: {folder / 'empty'} is empty."]


@pytest.mark.usefixtures("needed")
def test_a_file_that_is_no_text_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "password").write_bytes(b"\xff")
    monkeypatch.setenv("PHOENIX_REDIS_PASSWORD_FILE", str(folder / "password"))
    assert "cannot be read (it is not text)" in complaint()
