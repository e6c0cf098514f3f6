"""The interfaces of an entry in the order of their numbers: `network_config`, then those in `networks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.catalog.declaration import Network
from phoenix_worker.catalog.network_sections import FurtherNetwork, NetworkConfig

if TYPE_CHECKING:
    from phoenix_worker.catalog.entry import Entry
    from phoenix_worker.catalog.network_sections import Interface


def interfaces(entry: Entry) -> dict[str, Interface]:
    """Return the interfaces, `net0` first, by where they are written."""
    first: dict[str, Interface] = {} if entry.network_config is None else {"network_config": entry.network_config}
    return first | {f"networks[{index}]": one for index, one in enumerate(entry.networks)}


def macs(entry: Entry) -> dict[str, str]:
    """Return the MAC addresses, by where they are written."""
    own = {"mac_address": entry.mac_address}
    further = {f"networks[{index}].mac_address": one.mac_address for index, one in enumerate(entry.networks)}
    return {where: mac for where, mac in (own | further).items() if mac is not None}


def inside_name(number: int, interface: Interface) -> str:
    """Return its name in the container."""
    return interface.name or f"eth{number}"


def static_addresses(interface: Interface) -> list[str]:
    """List its fixed addresses, without their prefix lengths."""
    return [one.partition("/")[0] for one in (interface.ip, interface.ip6) if one is not None and "/" in one]


def networks(entry: Entry) -> tuple[Network, ...]:
    """Return the interfaces as they are declared, `net0` first."""
    return tuple(_network(number, one) for number, one in enumerate(interfaces(entry).values()))


def _network(number: int, config: Interface) -> Network:
    return Network(
        bridge=config.bridge,
        name=inside_name(number, config),
        ip=config.ip,
        gw=config.gw,
        ip6=config.ip6,
        gw6=config.gw6,
        vlan=config.vlan,
        nameservers=tuple(config.nameservers) if isinstance(config, NetworkConfig) else (),
        trunks=tuple(sorted(set(config.trunks))),
        mtu=config.mtu,
        rate=config.rate,
        firewall=config.firewall,
        link_down=config.link_down,
        host_managed=config.host_managed,
        mac=config.mac_address if isinstance(config, FurtherNetwork) else None,
    )
