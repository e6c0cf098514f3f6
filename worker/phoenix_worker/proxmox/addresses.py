"""The part of the API that tells the addresses of running containers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.core.model.ports import SeenInterface
from phoenix_worker.proxmox.translate import Request
from phoenix_worker.proxmox.understood import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phoenix_worker.proxmox.connection import Connection


class Interfaces:
    """Base of the API. Proxmox runs `ip` in the network namespace of the container."""

    _connection: Connection

    def interfaces(self, node: str, ctid: int) -> tuple[SeenInterface, ...] | None:
        """Ask `GET …/interfaces`, which answers `null` for a container that does not run, or is not there."""
        request = Request(
            "GET",
            f"nodes/{node}/lxc/{ctid}/interfaces",
            f"look for the addresses of CT {ctid} on {node}",
            f"VM.Audit on /vms/{ctid}",
        )
        lines = self._connection.call(request)
        return None if lines is None else tuple(map(_interface, rows_of(request, lines)))


def _interface(line: Mapping[str, Any]) -> SeenInterface:
    mac = line.get("hardware-address") or line.get("hwaddr") or ""
    return SeenInterface(str(line.get("name", "")), str(mac), tuple(_addresses(line)))


def _addresses(line: Mapping[str, Any]) -> Iterator[str]:
    """Read all of them, or of a Proxmox before 2025, which has no list, the last one of each family."""
    if "ip-addresses" in line:
        each = line["ip-addresses"] or ()
        yield from (f"{one['ip-address']}/{one['prefix']}" for one in each if "ip-address" in one and "prefix" in one)
        return
    yield from (str(line[family]) for family in ("inet", "inet6") if line.get(family))
