"""The objects inside an entry of the catalog, as they are written in the file."""

# No postponed annotations here: pydantic needs the types when the classes are made.
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from phoenix_worker.catalog.fields import (
    PathText,
    refused,
)
from phoenix_worker.catalog.firewall_grammar import Comment, FirewallAddresses, FirewallPorts, Protocol, check_rule
from phoenix_worker.catalog.firewall_parts import FirewallInterface, IcmpType, Macro, SourcePorts, check_parts


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
    log: Literal["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", "nolog"] | None = None
    """Level at which it is logged; not at all by default."""
    comment: Comment | None = None
    """One line for people."""

    @model_validator(mode="after")
    def _is_what_proxmox_takes(self) -> Self:
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
    rules: list[FirewallRule] | None = None
    """Exactly these rules, in this order. Without it they stay as they are."""


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
