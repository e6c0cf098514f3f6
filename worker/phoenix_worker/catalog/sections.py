"""The objects inside an entry of the catalog, as they are written in the file."""

# No postponed annotations here: pydantic needs the types when the classes are made.
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticKnownError

from phoenix_worker.catalog.fields import (
    PathText,
    refused,
)
from phoenix_worker.catalog.firewall_grammar import Comment, FirewallAddresses, FirewallPorts, Protocol, check_rule
from phoenix_worker.catalog.firewall_parts import (
    FirewallInterface,
    IcmpType,
    LogLevel,
    Macro,
    SecurityGroup,
    SourcePorts,
    check_group,
    check_parts,
)

_WHOLE_RULES: JsonDict = {"anyOf": [{"required": ["type", "action"]}, {"required": ["group"]}]}


class Section(BaseModel):
    """Base of what is read from the file: no type is guessed; null and "" mean "not declared"; no key is left out."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, data: Any) -> Any:
        return (
            {key: value for key, value in data.items() if value not in (None, "")} if isinstance(data, dict) else data
        )


class FirewallRule(Section):
    """One rule of the container's firewall."""

    model_config = ConfigDict(json_schema_extra=_WHOLE_RULES)

    group: SecurityGroup | None = None
    """A security group of the datacenter, whose rules stand here; in the place of all but iface, enable and comment."""
    type: Literal["in", "out"] | None = Field(default=None, validate_default=True)
    """Direction."""
    action: Literal["ACCEPT", "DROP", "REJECT"] | None = Field(default=None, validate_default=True)
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
    macro: Macro | None = None
    """Protocol and ports by one of Proxmox's names, such as `SSH` or `HTTPS`, in the place of `proto` and `port`."""
    source_port: SourcePorts | None = None
    """Source port, as `port`."""
    icmp_type: IcmpType | None = None
    """Type of `icmp` or `icmpv6` by its name, such as `echo-request`."""
    iface: FirewallInterface | None = None
    """Interface that it is for, by its key, such as `net1`; every one by default."""
    enable: bool = True
    """Whether it is in force."""
    log: LogLevel | None = None
    """Level at which it is logged; not at all by default."""
    comment: Comment | None = None
    """One line for people."""

    @field_validator("type", "action")
    @classmethod
    def _is_there_without_a_group(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("group", ...) is None:
            raise PydanticKnownError("missing")
        return value

    @model_validator(mode="after")
    def _is_what_proxmox_takes(self) -> Self:
        check_group(self.group, self.model_dump(exclude_defaults=True))
        check_rule(self.proto, self.source, self.dest, self.port)
        check_parts(self.macro, self.proto, self.port, self.source_port, self.icmp_type)
        return self


class Firewall(Section):
    """The container's firewall: whether it is on, and exactly its rules. Without `rules` they stay as they are."""

    enabled: bool = False
    """`firewall=1` on every declared interface that says nothing else, and the container's firewall on; else off."""
    policy_in: Literal["ACCEPT", "DROP", "REJECT"] | None = None
    """What is done with incoming traffic that no rule is for; Proxmox drops it by default."""
    policy_out: Literal["ACCEPT", "DROP", "REJECT"] | None = None
    """What is done with outgoing traffic that no rule is for; Proxmox accepts it by default."""
    log_level_in: LogLevel | None = None
    """Level at which incoming traffic is logged that no rule is for; `nolog` by default."""
    log_level_out: LogLevel | None = None
    """The same of outgoing traffic."""
    dhcp: bool | None = None
    """Whether DHCP is let through; off by default."""
    ndp: bool | None = None
    """Whether IPv6 neighbor discovery is let through; on by default."""
    radv: bool | None = None
    """Whether it may send router advertisements; off by default."""
    macfilter: bool | None = None
    """Whether only frames of its own MAC address leave it; on by default."""
    ipfilter: bool | None = None
    """Whether only packets of its own addresses leave it; off by default."""
    rules: list[FirewallRule] | None = None
    """Exactly these rules, in this order. Without it they stay as they are."""

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """Give the declared ones of Proxmox's options for a firewall, as it names and spells them; but its policies."""
        names = ("log_level_in", "log_level_out", "dhcp", "ndp", "radv", "macfilter", "ipfilter")
        values = ((name, getattr(self, name)) for name in names)
        return tuple((name, str(int(one)) if isinstance(one, bool) else one) for name, one in values if one is not None)


class HealthCheck(Section):
    """A command or a script that ends with 0 when the container is well."""

    command: str | None = None
    """A command line, run until it ends with 0. What it names must exist inside the container."""
    script: PathText | None = None
    """In its place, a script beside the catalog, which is pushed into the container and run there, as features are."""
    retries: int | None = Field(default=None, ge=1)
    """How often it is tried; 3 by default."""
    interval: int | None = Field(default=None, ge=0)
    """Seconds between two tries; 5 by default."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.command is None) == (self.script is None):
            what = "has neither a command nor a script" if self.command is None else "has a command and a script"
            raise refused(what, "Declare command or script.")
        return self
