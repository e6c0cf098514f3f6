"""Settings that name an address: what no connection can be made to is told at the start, and not by each call."""

from __future__ import annotations

import pytest

from phoenix_worker.settings import SettingsError, load_settings
from tests.unit.test_settings import folder, needed

__all__ = ["folder", "needed"]
HOST, SHELL, METRICS, WEBHOOK = (
    f"PHOENIX_{name}" for name in ("PROXMOX_HOST", "SHELL_ADDRESSES", "METRICS_ADDRESS", "WEBHOOK_URL")
)


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((HOST, one) for one in ("pve1:abc", "pve1:99999", "pve1:0", "me@pve1", "pve1?x", "pve1#x", "pve1\\x")),
        *((HOST, one) for one in ("[::1", "\x1b[31mpve1", "pve1..example", "*", "pve1,pve2:abc", "pve 1", "-")),
        *((HOST, one) for one in ("pve1,", ",", "pve1,,pve2", "pve1 pve2", "pve1;pve2", "pve1,pve2,pve1")),
        *((HOST, one) for one in ("pve1,PVE1.", "pve1,pve1:8006", "::1,[::1]:8006", "[fd00::11]:1,[FD00::11]:1")),
        (SHELL, "pve1=10.0.0.1:99999"),
        (SHELL, "pve1=10.0.0.1:0"),
        (METRICS, "127.0.0.1:99999"),
        (WEBHOOK, "http://["),
        (WEBHOOK, "http://hooks.example:99999/"),
    ],
)
def test_what_is_no_address_is_told_with_its_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("PHOENIX_WEBHOOK_SECRET", "s")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (said,) = str(caught.value).splitlines()[1:]
    assert said.startswith(f"  {name}: ")
    assert said.isprintable()


@pytest.mark.usefixtures("needed")
@pytest.mark.parametrize(
    "host",
    [
        "pve1",
        "pve1.example:8006",
        "10.0.0.11",
        "::1",
        "[::1]",
        "[fd00::11]:8006",
        "fe80::1%eth0",
        "pve_1.",
        "pve1:1, b",
        "pve1:1,pve1:2, [fd00::11]:8006, fd00::12",
    ],
)
def test_an_address_of_any_form_is_taken(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv(HOST, host)
    assert load_settings().proxmox_host == host.replace(", ", ",")
