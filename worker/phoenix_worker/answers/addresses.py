"""The addresses that a container's configuration gives it."""

from __future__ import annotations

import re
from ipaddress import ip_interface
from typing import TYPE_CHECKING

from phoenix_producer.standing import Address
from phoenix_worker.core.model.property_string import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NETWORK = re.compile(r"net(\d+)")


def configured(config: Mapping[str, str]) -> tuple[Address, ...]:
    """List the fixed addresses of a configuration, in the order of its interfaces.

    Loopback and link-local addresses are left out: no other machine reaches a service by the first, and by the
    second only one on the same link that names the interface too. `dhcp`, `auto` and `manual` are no addresses.
    """
    numbers = sorted(int(found[1]) for key in config if (found := _NETWORK.fullmatch(key)))
    return tuple(address for number in numbers for address in _of_interface(parse(config[f"net{number}"])))


def _of_interface(parts: Mapping[str, str]) -> Iterator[Address]:
    for text in filter(None, (parts.get("ip"), parts.get("ip6"))):
        try:
            found = ip_interface(text)
        except ValueError:
            continue
        if not (found.ip.is_loopback or found.ip.is_link_local):
            yield Address(interface=parts.get("name", ""), address=str(found.ip), prefix=found.network.prefixlen)
