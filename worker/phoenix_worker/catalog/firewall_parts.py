"""What a rule of the firewall may say besides its addresses and its port: macro, interface, source port, ICMP type.

As `firewall_grammar`, it follows pve-firewall's `verify_rule`.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from phoenix_worker.catalog.fields import Matching, refused
from phoenix_worker.catalog.firewall_grammar import ICMP, PORTS_SCHEMA, WITH_PORTS, numbered_ports
from phoenix_worker.catalog.firewall_names import ICMP_TYPES, ICMPV6_TYPES, MACROS

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALIKE = 0.6
_BESIDE_A_GROUP = frozenset({"group", "iface", "enable", "comment"})
_BY_LOWER_CASE = {name.lower(): name for name in MACROS}
_TYPES = {4: ICMP_TYPES, 6: ICMPV6_TYPES}


def _macro(value: str) -> str:
    known = _BY_LOWER_CASE.get(value.lower())
    if known is None:
        likely = difflib.get_close_matches(value.lower(), _BY_LOWER_CASE, 1, _ALIKE)
        meant = f"{_BY_LOWER_CASE[likely[0]]} was probably meant. Otherwise write" if likely else "Write"
        raise refused("is not a macro that Proxmox is known to have", f"{meant} proto and port in its place.")
    return known


def _icmp_type(value: str) -> str:
    if value not in ICMP_TYPES | ICMPV6_TYPES:
        likely = difflib.get_close_matches(value, sorted(ICMP_TYPES | ICMPV6_TYPES), 1, _ALIKE)
        raise refused("is not an ICMP type by name", f"Write it like {likely[0] if likely else 'echo-request'}.")
    return value


def check_group(group: str | None, rule: Mapping[str, Any]) -> None:
    """Refuse what Proxmox would leave out beside a security group. Raises PydanticCustomError."""
    beside = " and ".join(key for key in rule if key not in _BESIDE_A_GROUP) if group is not None else ""
    if beside:
        raise refused(f"has the group {group}, which has rules of its own, and {beside}", f"Remove {beside}, or group.")


def check_parts(
    macro: str | None, proto: str | None, port: str | None, source_port: str | None, icmp_type: str | None
) -> None:
    """Refuse parts that do not go together in one rule. Raises PydanticCustomError."""
    parts = {"proto": proto, "port": port, "source_port": source_port, "icmp_type": icmp_type}
    beside = " and ".join(key for key, value in parts.items() if value is not None)
    if macro is not None and beside:
        problem = f'has the macro "{macro}", which has its own protocol and ports, and {beside}'
        raise refused(problem, f"Remove {beside}, or the macro.")
    if source_port is not None and proto not in WITH_PORTS:
        raise refused("has a source_port and no protocol with ports, which Proxmox refuses", 'Declare "proto": "tcp".')
    if icmp_type is not None:
        _check_icmp_type(proto, port, icmp_type)


def _check_icmp_type(proto: str | None, port: str | None, icmp_type: str) -> None:
    family = ICMP.get(proto or "")
    if family is None:
        suited = "icmp" if icmp_type in ICMP_TYPES else "icmpv6"
        raise refused("has an icmp_type and another protocol, which Proxmox refuses", f'Declare "proto": "{suited}".')
    if port is not None:
        raise refused("has an icmp_type and a port, which Proxmox refuses together", "Remove port.")
    if icmp_type not in _TYPES[family]:
        raise refused(f'has an icmp_type that "{proto}" does not have', "Write one of that protocol.")


Macro = Annotated[
    str, Matching(r"[A-Za-z0-9]+", "the name of a macro", "Write it as Proxmox does."), AfterValidator(_macro)
]
FirewallInterface = Annotated[
    str,
    Matching(r"net([0-9]|[12][0-9]|3[01])", "the key of an interface", "Write net0, net1 and so on, as Proxmox does."),
]
SecurityGroup = Annotated[
    str,
    Matching(
        r"[A-Za-z][A-Za-z0-9_-]{1,17}",
        "the name of a security group",
        "Write that of one of the datacenter, at most 18 letters, digits, hyphens and underscores.",
    ),
]
LogLevel = Literal["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", "nolog"]
SourcePorts = Annotated[str, BeforeValidator(numbered_ports), WithJsonSchema(PORTS_SCHEMA)]
IcmpType = Annotated[str, AfterValidator(_icmp_type)]
