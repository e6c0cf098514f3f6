"""A container's firewall as Proxmox shows it, and the requests that change it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

Rule = dict[str, str]
"""A rule by Proxmox's own names: `type`, `action`, `enable`, `proto`, `dport` …"""
DEFAULT_POLICIES = {
    "policy_in": "DROP",
    "policy_out": "ACCEPT",
    "log_level_in": "nolog",
    "log_level_out": "nolog",
    "dhcp": "0",
    "ndp": "1",
    "radv": "0",
    "macfilter": "1",
    "ipfilter": "0",
}
"""What a guest's firewall does besides its rules, where it says nothing of it (`vm_option_properties`)."""


@dataclass(frozen=True, slots=True)
class FirewallState:
    """What Proxmox shows. `enabled` is None when it was not asked."""

    enabled: bool | None
    rules: tuple[Rule, ...] = ()
    digest: str = ""
    """Of the rules; empty when there are none."""
    policies: dict[str, str] = field(default_factory=dict)
    """`policy_in`, `policy_out` and the other options, as far as they are set."""


@dataclass(frozen=True, slots=True)
class TagRules:
    """Which tags the token may set and take away, for want of Sys.Modify on `/`."""

    allowed: frozenset[str] = frozenset()
    registered: frozenset[str] = frozenset()
    free: bool = True
    """Whether any other may be set that is not registered."""

    def forbids(self, tag: str) -> bool:
        """Return whether only administrators may (pve-guest-common, `assert_tag_permissions`)."""
        return tag in self.registered or not (self.free or tag in self.allowed)


class Act(StrEnum):
    """A kind of request."""

    INSERT = "insert"
    """Put a rule at the top."""
    MOVE = "move"
    """Put the rule at the top before the one at `position`, counted with both."""
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class RuleWrite:
    """One request. `drop` names the parts that a changed rule loses."""

    act: Act
    position: int = 0
    rule: Rule | None = None
    drop: tuple[str, ...] = ()
