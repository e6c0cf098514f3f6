"""Where a container can be reached: the addresses that its configuration gives it, and those that it has got."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Interface, ip_interface
from typing import TYPE_CHECKING

from phoenix_producer.contract import Address
from phoenix_worker.core.model.property_string import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from ipaddress import IPv4Interface

    from phoenix_worker.core.model.ports import SeenInterface

_NETWORK = re.compile(r"net(\d+)")
_GIVEN_BY_THE_NETWORK = frozenset({"dhcp", "auto"})
_SLAAC_PREFIX = 64


@dataclass(frozen=True, slots=True)
class Interface:
    """A `netN` of a configuration."""

    name: str
    bridge: str
    fixed: tuple[Address, ...]
    dynamic: bool
    """Whether DHCP or SLAAC gives it an address."""


def networks(config: Mapping[str, str]) -> dict[str, str]:
    """Return what a configuration says of the interfaces."""
    return {key: value for key, value in config.items() if _NETWORK.fullmatch(key)}


def interfaces(config: Mapping[str, str]) -> tuple[Interface, ...]:
    """Read the interfaces of a configuration, in the order of their numbers; what has no link is left out."""
    numbers = sorted(int(found[1]) for key in config if (found := _NETWORK.fullmatch(key)))
    parts = (parse(config[f"net{number}"]) for number in numbers)
    return tuple(_interface(one) for one in parts if one.get("link_down") != "1")


def configured(config: Mapping[str, str]) -> tuple[Address, ...]:
    """List the fixed addresses of a configuration, in the order of its interfaces.

    Loopback and link-local addresses are left out: no other machine reaches a service by the first, and by the
    second only one on the same link that names the interface too. `dhcp`, `auto` and `manual` are no addresses.
    """
    return tuple(address for one in interfaces(config) for address in one.fixed)


def may_get_more(config: Mapping[str, str]) -> bool:
    """Return whether the configuration leaves addresses to DHCP or SLAAC, or to the container itself."""
    return any(one.dynamic or not one.fixed for one in interfaces(config))


def reachable(config: Mapping[str, str], seen: Iterable[SeenInterface]) -> tuple[Address, ...]:
    """List the fixed addresses and those that are seen besides, in the order of the configuration's interfaces.

    Interfaces that only the container knows are left out: the bridge of a Docker inside it leads nowhere.
    """
    found = {one.name: one for one in seen}
    return tuple(
        address
        for one in interfaces(config)
        for address in dict.fromkeys((*one.fixed, *(_lasting(found[one.name]) if one.name in found else ())))
    )


def lacking(config: Mapping[str, str], addresses: Iterable[Address]) -> tuple[Interface, ...]:
    """Return the interfaces that are still to get an address: all that DHCP or SLAAC serve; one is enough for each.

    Where neither does and nothing is fixed, the container sees to its addresses itself, and one is enough for all.
    """
    there = {address.interface for address in addresses}
    each = interfaces(config)
    awaited = tuple(one for one in each if one.dynamic)
    if not awaited and not there:
        return each
    return tuple(one for one in awaited if one.name not in there)


def _interface(parts: Mapping[str, str]) -> Interface:
    name, given = parts.get("name", ""), [parts.get(family, "") for family in ("ip", "ip6")]
    fixed = tuple(_address(name, one) for text in given if (one := _read(text)) is not None)
    return Interface(name, parts.get("bridge", ""), fixed, dynamic=not _GIVEN_BY_THE_NETWORK.isdisjoint(given))


def _lasting(seen: SeenInterface) -> Iterator[Address]:
    """Leave out the temporary addresses of SLAAC (RFC 8981), as far as they can be told.

    Proxmox does not pass the kernel's flag on. Where an interface has the address that is made of its MAC in a
    network, its others in that network are temporary ones. Where the lasting address is a random one too
    (RFC 7217), all are listed; there is one that lasts among them, since the kernel makes no temporary one alone.
    """
    each = [one for text in seen.addresses if (one := _read(text)) is not None]
    by_mac = {one.network for one in each if isinstance(one, IPv6Interface) and one.ip == _made_of(seen.mac, one)}
    for one in each:
        if one.network not in by_mac or one.ip == _made_of(seen.mac, one):
            yield _address(seen.name, one)


def _made_of(mac: str, interface: IPv4Interface | IPv6Interface) -> IPv6Address | None:
    """Return the address that a MAC gives in a network (EUI-64); None where SLAAC makes none."""
    octets = bytes.fromhex(mac.replace(":", "")) if re.fullmatch(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", mac) else b""
    if not octets or interface.network.prefixlen != _SLAAC_PREFIX:  # which no network of IPv4 has
        return None
    name = bytes((octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]))
    return IPv6Address(interface.network.network_address.packed[:8] + name)


def _read(text: str) -> IPv4Interface | IPv6Interface | None:
    """Read an address by which others can reach it; None for anything else."""
    try:
        found = ip_interface(text)
    except ValueError:
        return None
    return None if found.ip.is_loopback or found.ip.is_link_local else found


def _address(name: str, found: IPv4Interface | IPv6Interface) -> Address:
    return Address(interface=name, address=str(found.ip), prefix=found.network.prefixlen)
