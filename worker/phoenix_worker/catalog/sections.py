"""The objects inside an entry of the catalog, as they are written in the file."""

# No postponed annotations here: pydantic needs the types when the classes are made.
import ipaddress
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from phoenix_worker.catalog.fields import (
    AbsolutePath,
    Comment,
    FirewallAddresses,
    FirewallPorts,
    Host,
    Hosts,
    InterfaceName,
    Ip,
    Ip6,
    Protocol,
    StorageId,
    VolumePath,
    refused,
)


class Section(BaseModel):
    """Base of what is read from the file: no type is guessed; null and "" mean "not declared"."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, data: Any) -> Any:
        return (
            {key: value for key, value in data.items() if value not in (None, "")} if isinstance(data, dict) else data
        )


class NetworkConfig(Section):
    """`net0` and the name servers."""

    bridge: InterfaceName
    name: InterfaceName = "eth0"
    ip: Ip | None = None
    gw: Host | None = None
    ip6: Ip6 | None = None
    gw6: Host | None = None
    vlan: int | None = Field(default=None, ge=1, le=4094)
    nameservers: Hosts = Field(default_factory=list)

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
    if hop not in interface.network:
        remedy = "Correct the gateway or the prefix length."
        raise refused(f"has the gateway {gateway}, which is outside its network {interface.network}", remedy)
    if hop == interface.ip:
        raise refused(f"has its own address {gateway} as its gateway", "Write the router's address.")


class MountPoint(Section):
    """A bind mount of a directory of the node."""

    host_path: AbsolutePath
    container_path: AbsolutePath
    owner_uid: int | None = Field(default=None, ge=0)
    owner_gid: int | None = Field(default=None, ge=0)


class Volume(Section):
    """A volume of its own, mounted in the container. Proxmox gives it its name; `name` is for people."""

    name: str | None = None
    pool: StorageId
    size_gb: int = Field(ge=1)
    mount_point: VolumePath


class FirewallRule(Section):
    """One rule of the container's firewall."""

    type: Literal["in", "out"]
    action: Literal["ACCEPT", "DROP", "REJECT"]
    proto: Protocol | None = None
    source: FirewallAddresses | None = None
    dest: FirewallAddresses | None = None
    port: FirewallPorts | None = None
    comment: Comment | None = None


class Firewall(Section):
    """The container's firewall: whether it is on, and exactly its rules. Without `rules` they stay as they are."""

    enabled: bool = False
    rules: list[FirewallRule] | None = None


class HealthCheck(Section):
    """A command that ends with 0 when the container is well. `interval` in seconds."""

    command: str
    retries: int | None = Field(default=None, ge=1)
    interval: int | None = Field(default=None, ge=0)
