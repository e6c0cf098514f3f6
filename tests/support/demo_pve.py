"""The demo's simulated Proxmox in a thread of a test, with what a catalog takes for granted."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Self

from fakepve.certs import make_cert

from phoenix_worker.commands.demo.simulator import TOKEN_NAME, USER, PacedPve, build
from phoenix_worker.proxmox.connection import Access
from tests.support.proxmox import SECRET, Simulator

if TYPE_CHECKING:
    from phoenix_worker.commands.demo.surroundings import Surroundings

_SECONDS = 0.05


class DemoSimulator(Simulator):
    """As `Simulator`, of a `PacedPve` that is built as the demo builds its own."""

    pve: Any

    def __init__(self, wanted: Surroundings) -> None:
        super().__init__()
        times = {f"{kind}_seconds": _SECONDS for kind in ("create", "clone", "start", "template")}
        named = {
            "node": wanted.nodes,
            "os_template": wanted.os_templates,
            "bridge": wanted.bridges,
            "pool": wanted.pools,
            "storage": wanted.storages,
            "guest": [int(ctid) for ctid in wanted.guests],
            "security_group": wanted.security_groups,
            "ip_set": wanted.ip_sets,
            "alias": wanted.aliases,
        }
        self.pve: PacedPve = build(argparse.Namespace(host="127.0.0.1", port=0, **times, **named), SECRET)
        self.pve.cloned_from = {}  # a clone's stand-in directory is empty

    def __enter__(self) -> Self:
        self.ca_file, key, _ = make_cert(self._files.name, hosts=(self.pve.host,))
        self._thread.start()
        self.do(self.pve.start, self.ca_file, key)
        return self

    @property
    def access(self) -> Access:
        """How the API door reaches it."""
        return Access(host=self.host, user=USER, token_name=TOKEN_NAME, token_value=SECRET, ca_file=self.ca_file)

    def environ(self) -> dict[str, str]:
        """The settings of a worker that reaches it."""
        return {
            "PHOENIX_PROXMOX_HOST": self.host,
            "PHOENIX_PROXMOX_USER": USER,
            "PHOENIX_PROXMOX_TOKEN_NAME": TOKEN_NAME,
            "PHOENIX_PROXMOX_TOKEN_VALUE": SECRET,
            "PHOENIX_PROXMOX_CA_FILE": self.ca_file,
            "PHOENIX_NODE": str(next(iter(self.pve.nodes))),
        }
