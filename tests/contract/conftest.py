from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_worker.proxmox.api import ProxmoxApi
from tests.support.proxmox import simulator

if TYPE_CHECKING:
    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator

__all__ = ["simulator"]


@pytest.fixture
def door(simulator: Simulator) -> Proxmox:
    return ProxmoxApi(simulator.access)
