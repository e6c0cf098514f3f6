"""`phoenix-lxc check` names the setting that is wrong, and says no more of it once it is right."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration.test_check import found, lines, prepared

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.product import Product

__all__ = ["prepared"]


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        ("PHOENIX_NODE", "pve9"),
        ("PHOENIX_PROXMOX_HOST", "127.0.0.1:1"),
        ("PHOENIX_PROXMOX_TOKEN_NAME", "other"),
        ("PHOENIX_PROXMOX_TOKEN_VALUE", "other"),
        ("PHOENIX_PROXMOX_USER", "other@pve"),
        ("PHOENIX_REDIS_URL", "redis://127.0.0.1:1/0"),
    ],
)
def test_what_is_wrong_with_a_setting_names_it_and_is_gone_once_it_is_right(
    prepared: Product, monkeypatch: pytest.MonkeyPatch, setting: str, wrong: str
) -> None:
    right = prepared.environ()[setting]
    monkeypatch.setenv(setting, wrong)
    assert setting in " ".join(line["remedy"] for line in lines(1) if line["level"] == "error")
    monkeypatch.setenv(setting, right)
    assert {line["about"] for line in lines(0)} == {"Workers"}


def test_settings_that_everybody_may_read_are_found(
    prepared: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepared.catalog
    env_file = tmp_path / "my settings" / ".env"
    env_file.parent.mkdir()
    monkeypatch.chdir(env_file.parent)
    env_file.write_text("PHOENIX_PATIENCE=7\nPHOENIX_WEBHOOK_SECRET=a-secret\nPHOENIX_WEBHOOK_URL=https://127.0.0.1/\n")
    env_file.chmod(0o644)
    text, remedy = found("warning", "Settings", 0)
    assert text.endswith(".env, which has PHOENIX_WEBHOOK_SECRET")
    assert remedy == f"chmod o-rwx '{env_file}'"
    subprocess.run(remedy, shell=True, check=True)  # noqa: S602 - as it is printed
    assert [line["about"] for line in lines(0)] == ["Workers"]
