"""Whatever a variable holds, or the file that it names is: it is used, or refused in one line that names it. Soon."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer.contract import ContractError
from phoenix_producer.http.tokens import TOKENS_VARIABLE, Role, TokenFile
from phoenix_worker.settings import SECRET, Settings, SettingsError, load_settings, variable
from phoenix_worker.settings.defaults import catalog_defaults
from tests.unit.test_settings import CERTIFICATE, NEEDED

if TYPE_CHECKING:
    from pathlib import Path

VALUES = [
    "   ",
    os.fsdecode(b"\xff\xfe"),
    "x" * 100_000,
    "-1",
    "9" * 400,
    "1.5",
    "nan",
    "inf",
    "1e999",
    "\u0661\u0662\u0663",
    "pve\n",
    "a\x1b[31mb",
    ",",
    "100-99999999999999999999",
    "directory",
    "pipe",
    "loop",
    "/dev/zero",
]
FILES = ["directory", "pipe", "loop", "/dev/zero", "bytes", "large", "none"]
_LONGEST = 700


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with files that are none, and the settings that are needed."""
    for name in os.environ:
        if name.upper().startswith("PHOENIX_"):
            monkeypatch.delenv(name)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with (tmp_path / "large").open("wb") as sparse:
        sparse.truncate(2 * 1024**3)
    return tmp_path


def problems() -> list[str]:
    try:
        load_settings()
    except SettingsError as refused:
        return str(refused).splitlines()[1:]
    return []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("field", Settings.model_fields)
def test_a_variable_is_used_or_refused_in_one_line_that_names_it(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = variable((field,))
    for value in VALUES:
        monkeypatch.setenv(name, value)
        told = problems()
        assert len(told) <= 1, value[:20]
        assert [line for line in told if name not in line or not line.isprintable() or len(line) > _LONGEST] == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("field", SECRET)
@pytest.mark.parametrize("file", FILES)
def test_what_is_no_file_of_a_secret_is_refused_in_one_line(
    field: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = variable((field,))
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{name}_FILE", file)
    (told,) = problems()
    assert told.strip().startswith(f"{name}_FILE: {file}")
    assert "cannot be read (" in told


@pytest.mark.parametrize("name", ["PHOENIX_SHELL_USER", "PHOENIX_PROXMOX_TOKEN_NAME"])
@pytest.mark.parametrize("value", ["ro\not", "a\x1b[31mb", os.fsdecode(b"\xff")])
def test_names_have_characters_that_can_be_shown(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    (told,) = problems()
    assert "has characters that cannot be shown" in told


def test_the_tokens_of_serve_are_no_unknown_setting_of_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKENS_VARIABLE, "/var/lib/phoenix/tokens.json")
    assert problems() == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("file", ["pipe", "directory", "loop", "bytes"])
def test_what_is_no_file_of_tokens_is_refused(file: str, folder: Path) -> None:
    if file != "loop":
        (folder / file).chmod(0o600)
    with pytest.raises(ContractError, match=file):
        TokenFile(folder / file).add("one", Role.VIEWER)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("file", "why"), [("pipe", "a pipe"), ("bytes", "not UTF-8"), ("large", "more than 1 MiB")])
def test_an_env_file_that_cannot_be_read_is_refused_in_one_line(file: str, why: str, folder: Path) -> None:
    (folder / ".env").symlink_to(file)
    (told,) = problems()
    assert told.startswith("  .env cannot be read (")
    assert why in told
    with pytest.raises(SettingsError, match=why):
        catalog_defaults()


@pytest.mark.parametrize("file", ["directory", "/dev/null", "/dev/zero", "loop", "none"])
def test_what_is_in_the_place_of_an_env_file_counts_as_none(file: str, folder: Path) -> None:
    (folder / ".env").symlink_to(file)
    assert problems() == []


RIGHT = {
    "redis_ca_file": "ca.pem",
    "catalog": "x.json",
    "proxmox_host": "10.0.0.2:8006",
    "proxmox_user": "phoenix@pve",
    "proxmox_token_name": "worker",
    "proxmox_fingerprint": ":".join(["AB"] * 32),
    "proxmox_timeout": "15",
    "shell": "ssh",
    "shell_user": "root",
    "shell_key_file": "key",
    "shell_addresses": "pve1=10.0.0.1",
    "shell_capacity": "4",
    "shell_sudo": "true",
    "scripts": "f/{feature}.sh",
    "application_scripts": "a/{script}",
    "script_timeout": "60",
    "node": "pve1",
    "template_storage": "tank",
    "scratch_ctids": "9000-9099",
    "log_format": "json",
    "metrics_address": "127.0.0.1:9464",
}


def test_what_a_file_from_elsewhere_has_around_a_value_is_no_part_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "key").touch()
    (folder / "ca.pem").write_text(CERTIFICATE)
    plain: dict[str, Any] | None = None
    for around in ("{}", " {} ", "{}\r", "{}\n", "\t{}"):
        for field, value in RIGHT.items():
            monkeypatch.setenv(variable((field,)), around.format(value))
        read = load_settings().model_dump()
        plain = plain or read
        assert read == plain, around
    assert plain is not None
    assert plain["node"] == "pve1"


@pytest.mark.parametrize("quote", ["'", '"'])
def test_quotes_that_a_file_for_docker_has_are_named(quote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quoted = RIGHT | {"proxmox_token_value": "secret"}
    for field, value in quoted.items():
        monkeypatch.setenv(variable((field,)), f"{quote}{value}{quote}")
    told = problems()
    assert {line.strip().partition(": ")[0] for line in told} == {variable((field,)) for field in quoted}
    assert all(": is in quotes, which Docker keeps" in line for line in told)
    assert "secret" not in "".join(told)
