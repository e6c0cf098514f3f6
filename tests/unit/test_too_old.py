"""A Proxmox that is too old for what is declared, in words."""

from __future__ import annotations

from phoenix_worker.core.allowed.versions import too_old
from tests.support.declared import MINIMAL
from tests.support.refusing import Refusal, told


def test_each_key_is_told_with_what_it_needs() -> None:
    needed = (("devices", (8, 2)), ("tty", (7, 4)), ("environment", (9, 1)))
    assert told(too_old(MINIMAL, needed, (8, 1))) == Refusal(
        "Unable to ensure CT 103 on pve1: devices needs Proxmox VE 8.2, environment needs Proxmox VE 9.1, and this is "
        "8.1.",
        "proxmox-too-old",
        "Upgrade Proxmox VE, or remove devices and environment from the catalog.",
    )
    assert too_old(MINIMAL, needed, (9, 1)) is None
