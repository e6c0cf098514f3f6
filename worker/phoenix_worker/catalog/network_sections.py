"""The interfaces of an entry, as they are written in the file: `network_config`, and those in `networks`."""

# No postponed annotations here: pydantic needs the types when the classes are made.
import ipaddress
import math
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from phoenix_worker.catalog.fields import Host, InterfaceName, Ip, Ip6, Mac, NameServers, refused
from phoenix_worker.catalog.sections import Section

_LEAST_RATE = 0.001


def _rate(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise refused("is not a number", "Write MB a second without quotes, such as 12.5.")
    if value < _LEAST_RATE:
        raise refused(f"is below {_LEAST_RATE}", "Write MB a second, such as 12.5, or remove it for no limit.")
    return round(float(value), 3)


Rate = Annotated[float, BeforeValidator(_rate), WithJsonSchema({"type": "number", "minimum": _LEAST_RATE})]
Vlan = Annotated[int, Field(ge=1, le=4094)]


class Interface(Section):
    """What every interface may have."""

    bridge: InterfaceName
    """Bridge that it is connected to."""
    name: InterfaceName | None = None
    """Name of the interface inside; by default that of its number, `eth1` for `net1`."""
    ip: Ip | None = None
    """IPv4 address in CIDR form, such as `10.0.0.5/24`, or `dhcp`; `manual` where the container has its own way."""
    gw: Host | None = None
    """IPv4 gateway, in the network of `ip`; anywhere for a `/32`."""
    ip6: Ip6 | None = None
    """IPv6 address in CIDR form, `dhcp`, `auto` or `manual`."""
    gw6: Host | None = None
    """IPv6 gateway, in the network of `ip6`; anywhere for a `/128`."""
    vlan: int | None = Field(default=None, ge=1, le=4094)
    """VLAN tag."""
    trunks: list[Vlan] = Field(default_factory=list)
    """VLANs that it may use by tags of its own, as a list of numbers."""
    mtu: int | None = Field(default=None, ge=64, le=65535)
    """Largest packet in bytes. A running container takes it at its next start."""
    rate: Rate | None = None
    """Most MB a second that it sends and gets."""
    firewall: bool | None = None
    """Whether the firewall filters it; by default as `enabled` of the container's `firewall`."""
    link_down: bool | None = None
    """Whether it is unplugged."""
    host_managed: bool | None = None
    """Whether the node gives it its addresses, for a container that has no network setup of its own. Proxmox does so
    for what begins with an OCI image, unless this is `false`. Proxmox 9.1 or newer.
    """

    @model_validator(mode="after")
    def _gateways_are_reachable(self) -> Self:
        _check_gateway(self.ip, self.gw, 4)
        _check_gateway(self.ip6, self.gw6, 6)
        return self

    @model_validator(mode="after")
    def _has_an_address_that_a_node_can_give(self) -> Self:
        if self.host_managed and self.ip6 == "auto" and not self.link_down:
            problem = "has host_managed and the ip6 auto, which only the container itself can find out"
            raise refused(problem, "Write dhcp or an address in ip6, or remove host_managed.")
        return self


class NetworkConfig(Interface):
    """`net0` and the name servers."""

    name: InterfaceName = "eth0"
    """Name of the interface inside."""
    nameservers: NameServers = Field(default_factory=list)
    """Name servers: a list, or one string with commas or spaces. A link-local one may have an interface behind `%`."""


class FurtherNetwork(Interface):
    """One more interface: `net1` and those after it in their order; the first is `net0` without `network_config`."""

    mac_address: Mac | None = None
    """MAC address. Without it Proxmox chooses one, and it is kept."""


def _check_gateway(address: str | None, gateway: str | None, version: int) -> None:
    if gateway is None:
        return
    hop = ipaddress.ip_address(gateway)
    if hop.version != version:
        raise refused(f"has the gateway {gateway}, which is not IPv{version}", f"Write an IPv{version} gateway.")
    if address is None or "/" not in address or hop.is_link_local:
        return
    interface = ipaddress.ip_interface(address)
    alone = interface.network.prefixlen == interface.network.max_prefixlen
    if not alone and hop not in interface.network:  # of a host alone Proxmox writes a route to its gateway
        remedy = "Correct the gateway or the prefix length."
        raise refused(f"has the gateway {gateway}, which is outside its network {interface.network}", remedy)
    if hop == interface.ip:
        raise refused(f"has its own address {gateway} as its gateway", "Write the router's address.")
