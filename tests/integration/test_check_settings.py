"""`phoenix-lxc check` names the setting that is wrong, and says no more of it once it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.test_check import lines, prepared

if TYPE_CHECKING:
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
