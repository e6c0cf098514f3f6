"""What the baselines that are written in Python say to Proxmox, as its users write it with proxmoxer."""

from __future__ import annotations

import os
from typing import Any

from proxmoxer import ProxmoxAPI

from tests.support.strict_pve import SECRET, TOKEN, USER

SOURCE = int(os.environ["BASE_SOURCE"])
CTIDS = [int(ctid) for ctid in os.environ["BASE_CTIDS"].split(",")]


def connect() -> Any:
    """A verified connection with a token."""
    return ProxmoxAPI(
        os.environ["BASE_HOST"],
        user=USER,
        token_name=TOKEN,
        token_value=SECRET,
        verify_ssl=os.environ["BASE_CA"],
        timeout=30,
    )


def node(proxmox: Any) -> Any:
    return proxmox.nodes(os.environ["BASE_NODE"])


def settings(ctid: int) -> dict[str, Any]:
    """What each container is configured with."""
    return {"memory": 512, "cores": 1, "onboot": 1, "description": f"made as {ctid}"}
