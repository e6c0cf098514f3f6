"""What DHCP and SLAAC give the containers of the simulated Proxmox, as `GET …/interfaces` tells it."""

from __future__ import annotations

import time
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LEASE_SECONDS = 1.5
"""Seconds after its start in which a container gets its addresses."""
_ANY_MAC = "02:00:00:00:00:01"
_LINK_LOCAL, _ROUTED = "fe80::", "fd00:{}::"


def with_leases(lines: list[dict[str, Any]], container: Any, seconds: float) -> list[dict[str, Any]]:
    """Add to fakepve's answer, which tells fixed addresses alone, what else a container has by now."""
    served = time.time() - (container.started_at or time.time()) >= seconds
    return [lines[0], *(_with_leases(line, container, served=served) for line in lines[1:])]


def _with_leases(line: dict[str, Any], container: Any, *, served: bool) -> dict[str, Any]:
    key, parts = next(
        (key, parts) for key, parts in _networks(container.config) if parts.get("name", "eth0") == line["name"]
    )
    if parts.get("link_down") == "1":
        return line
    number, mac = int(key.removeprefix("net")), parts.get("hwaddr", _ANY_MAC)
    found = list(line["ip-addresses"])
    if served and parts.get("ip") == "dhcp":
        lease = f"10.{64 + number}.{container.vmid // 250 % 250}.{container.vmid % 250 + 2}"
        found.append(address("inet", lease, 16))
    if served and parts.get("ip6") in {"auto", "dhcp"}:
        found.append(address("inet6", made_of(mac, _ROUTED.format(number + 1)), 64))
    return told(line, [*found, address("inet6", made_of(mac, _LINK_LOCAL), 64)])


def told(line: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, Any]:
    """Tell the addresses of an interface in both forms: all of them, and the last one of each family."""
    last = {one["ip-address-type"]: f"{one['ip-address']}/{one['prefix']}" for one in found}
    return line | last | {"ip-addresses": found}


def address(family: str, text: str, prefix: int) -> dict[str, Any]:
    """Write one address as Proxmox does."""
    return {"ip-address-type": family, "ip-address": text, "prefix": str(prefix)}


def made_of(mac: str, network: str) -> str:
    """Make the address that SLAAC makes of a MAC in a network."""
    octets = bytes.fromhex(mac.replace(":", ""))
    name = bytes((octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]))
    return str(IPv6Address(IPv6Address(network).packed[:8] + name))


def _networks(config: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    for key, value in config.items():
        if key.startswith("net") and key[3:].isdecimal():
            yield key, dict(part.partition("=")[::2] for part in str(value).split(","))
