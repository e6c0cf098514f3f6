"""The whole product for a test: a simulated Proxmox, a Redis, a catalog file, real workers and a producer."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer import Producer
from tests.support.proxmox import NODE, Simulator
from tests.support.redis import LASTING_KEYS, leaked_keys
from tests.support.strict_pve import SECRET, TOKEN, USER
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from phoenix_producer import EnsureResult
    from tests.support.worker import StartWorker, WorkerProcess

EXAMPLE = Path(__file__).parents[2] / "examples" / "phoenix_lxc_configs.json"
OS_TEMPLATE = "local:vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst"
SHELL_KEYS = ("features", "health_check")
"""What the example declares that needs the door to the node's shell."""


def example(*, inside: bool) -> dict[str, Any]:
    """The example catalog; without what is done inside its containers, unless a test has a node's shell for it."""
    catalog: dict[str, Any] = json.loads(EXAMPLE.read_text())
    for entry in catalog["lxc_configs"].values():
        for key in () if inside else SHELL_KEYS:
            entry.pop(key, None)
    return catalog


def template(ctid: int = 900, **more: Any) -> dict[str, Any]:
    """A root template."""
    return container(ctid, template=OS_TEMPLATE, clone_from_ctid=None, **more)


def container(ctid: int, clone_from_ctid: int | None = 900, **more: Any) -> dict[str, Any]:
    """A container with an address and a MAC of its own."""
    address = f"10.0.{ctid // 250}.{ctid % 250 + 2}"
    entry = {
        "name": f"ct{ctid}",
        "memory_mb": 512,
        "cores": 1,
        "storage_pool": "local-lvm",
        "storage_size_gb": 8,
        "network_config": {"name": "eth0", "bridge": "vmbr0", "ip": f"{address}/16", "gw": "10.0.0.1"},
        "mac_address": f"52:54:00:00:{ctid // 256:02X}:{ctid % 256:02X}",
    }
    if clone_from_ctid is not None:
        entry["clone_from_ctid"] = str(clone_from_ctid)
    return entry | more


def add_os_template(simulator: Simulator) -> None:
    """Put the OS template of root templates on the node."""
    volumes = simulator.pve.storages["local"]["volumes"]
    simulator.do(volumes.__setitem__, OS_TEMPLATE.partition(":")[2], {"content": "vztmpl", "format": "tzst", "size": 1})


@dataclass
class Product:
    """Everything started, and the words to use it with."""

    simulator: Simulator
    redis_url: str
    redis: Redis
    catalog: Path
    producer: Producer
    _start: StartWorker

    def declare(self, entries: dict[int, dict[str, Any]]) -> None:
        """Write the catalog."""
        text = json.dumps({"lxc_configs": {str(ctid): entry for ctid, entry in entries.items()}})
        self.catalog.write_text(text)

    def environ(self, **more: str) -> dict[str, str]:
        """The settings of a worker."""
        return {
            "PHOENIX_REDIS_URL": self.redis_url,
            "PHOENIX_CATALOG": str(self.catalog),
            "PHOENIX_PROXMOX_HOST": self.simulator.host,
            "PHOENIX_PROXMOX_USER": USER,
            "PHOENIX_PROXMOX_TOKEN_NAME": TOKEN,
            "PHOENIX_PROXMOX_TOKEN_VALUE": SECRET,
            "PHOENIX_PROXMOX_CA_FILE": self.simulator.ca_file,
            "PHOENIX_NODE": NODE,
            "PHOENIX_HEARTBEAT_TTL": "1",
            "PHOENIX_PATIENCE": "20",
            **more,
        }

    def start_worker(self, name: str = "w1", app: str = "phoenix_worker", **environ: str) -> WorkerProcess:
        """Start one more worker."""
        return self._start(app, self.environ(**environ), name=name)

    def ensure(self, ctid: int, timeout: float = 60, **options: Any) -> EnsureResult:
        """Ensure and wait."""
        return self.producer.ensure(ctid, **options).wait(timeout=timeout)

    def config(self, ctid: int) -> dict[str, str]:
        """The configuration as the simulator holds it."""
        found = self.simulator.pve.ct(ctid)
        assert found is not None, f"CT {ctid} does not exist"
        return {key: str(value) for key, value in found.config.items()}

    def status(self, ctid: int) -> str:
        """`running`, `stopped`, or `absent`."""
        found = self.simulator.pve.ct(ctid)
        return "absent" if found is None else str(found.status)

    def calls(self) -> list[tuple[str, str]]:
        """Every request to Proxmox so far."""
        return self.simulator.calls()

    def writes(self) -> list[tuple[str, str]]:
        """Every request to Proxmox that changes something."""
        return [call for call in self.calls() if call[0] != "GET"]


@pytest.fixture
def product(
    simulator: Simulator,
    redis_url: str,
    redis_client: Redis,
    owned_keys: list[str],
    tmp_path: Path,
    start_worker: StartWorker,
) -> Iterator[Product]:
    """The product with the example catalog and its OS template, without a worker. No key may be left without a TTL.

    What the example declares for the inside of its containers is left out: `ssh_node` has what it takes.
    """
    owned_keys += LASTING_KEYS
    add_os_template(simulator)
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(example(inside=False)))
    with Producer(redis_url, requester="tests") as producer:
        yield Product(simulator, redis_url, redis_client, catalog, producer, start_worker)
    # A result is stored a moment before its task ends in the ledger.
    with suppress(AssertionError):
        wait_for(lambda: not leaked_keys(redis_client, owned_keys))
