"""What is worth a warning about one entry although it is well-formed. Pure functions over parsed entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.catalog.findings import Advice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phoenix_worker.catalog.entry import ParsedEntry

_WITH_PORTS = frozenset({"tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "ipv6-icmp"})
"""Protocols whose rules may have a `port`; that of the last three is a type (pve-firewall, `verify_rule`)."""


def advise_firewalls(entries: Mapping[int, ParsedEntry]) -> Iterator[Advice]:
    """Point out rules that Proxmox will refuse, and firewalls that let nobody in."""
    for ctid, parsed in entries.items():
        firewall = parsed.entry.firewall
        if firewall is None:
            continue
        for index, rule in enumerate(firewall.rules or ()):
            if rule.port is not None and rule.proto not in _WITH_PORTS:
                problem = f"firewall.rules[{index}] has a port and no protocol with ports: Proxmox refuses it."
                yield Advice(ctid, problem, 'Add "proto": "tcp" or "udp".')
        if firewall.enabled and not any((rule.type, rule.action) == ("in", "ACCEPT") for rule in firewall.rules or ()):
            problem = "firewall is enabled and no rule lets anything in, which Proxmox then drops by default."
            yield Advice(ctid, problem, 'Add rules such as {"type": "in", "action": "ACCEPT", "proto": "icmp"}.')
