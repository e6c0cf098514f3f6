"""The objects inside an entry of the catalog, as they are written in the file."""

# No postponed annotations here: pydantic needs the types when the classes are made.
import ipaddress
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from phoenix_worker.catalog.fields import (
    Host,
    Hosts,
    InterfaceName,
    Ip,
    Ip6,
    refused,
)
from phoenix_worker.catalog.firewall_grammar import Comment, FirewallAddresses, FirewallPorts, Protocol, check_rule


class Section(BaseModel):
    """Base of what is read from the file: no type is guessed; null and "" mean "not declared"; no key is left out."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, data: Any) -> Any:
        return (
            {key: value for key, value in data.items() if value not in (None, "")} if isinstance(data, dict) else data
        )


class NetworkConfig(Section):
    """`net0` and the name servers."""

    bridge: InterfaceName
    """Bridge that it is connected to."""
    name: InterfaceName = "eth0"
    """Name of the interface inside."""
    ip: Ip | None = None
    """IPv4 address in CIDR form, such as `10.0.0.5/24`, or `dhcp`."""
    gw: Host | None = None
    """IPv4 gateway, in the network of `ip`; anywhere for a `/32`."""
    ip6: Ip6 | None = None
    """IPv6 address in CIDR form, `dhcp` or `auto`."""
    gw6: Host | None = None
    """IPv6 gateway, in the network of `ip6`; anywhere for a `/128`."""
    vlan: int | None = Field(default=None, ge=1, le=4094)
    """VLAN tag."""
    nameservers: Hosts = Field(default_factory=list)
    """Name servers: a list, or one string with commas or spaces."""

    @model_validator(mode="after")
    def _gateways_are_reachable(self) -> Self:
        _check_gateway(self.ip, self.gw, 4)
        _check_gateway(self.ip6, self.gw6, 6)
        return self


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


class FirewallRule(Section):
    """One rule of the container's firewall."""

    type: Literal["in", "out"]
    """Direction."""
    action: Literal["ACCEPT", "DROP", "REJECT"]
    """What is done."""
    proto: Protocol | None = None
    """Protocol by name or number, such as `tcp`, `udp` or `icmp`."""
    source: FirewallAddresses | None = None
    """Addresses and networks of one family in a list, one range, an alias, or an IP set such as `+office`."""
    dest: FirewallAddresses | None = None
    """As `source`, and of the same family."""
    port: FirewallPorts | None = None
    """Destination port: `443`, a list `80,443`, or a range `8000:8010`; at most 15. It takes a protocol with ports.
    With `icmp` or `icmpv6` it is a type such as `echo-request`.
    """
    log: Literal["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", "nolog"] | None = None
    """Level at which it is logged; not at all by default."""
    comment: Comment | None = None
    """One line for people."""

    @model_validator(mode="after")
    def _is_what_proxmox_takes(self) -> Self:
        check_rule(self.proto, self.source, self.dest, self.port)
        return self


class Firewall(Section):
    """The container's firewall: whether it is on, and exactly its rules. Without `rules` they stay as they are."""

    enabled: bool = False
    """`firewall=1` on net0, and the container's firewall on; else both off."""
    rules: list[FirewallRule] | None = None
    """Exactly these rules, in this order. Without it they stay as they are."""


class HealthCheck(Section):
    """A command that ends with 0 when the container is well."""

    command: str
    """A command line, run until it ends with 0."""
    retries: int | None = Field(default=None, ge=1)
    """How often it is tried; 3 by default."""
    interval: int | None = Field(default=None, ge=0)
    """Seconds between two tries; 5 by default."""
