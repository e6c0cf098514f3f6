"""The firewall of fakepve, made to judge and keep rules as `pve-firewall` does where it does not."""

from __future__ import annotations

from typing import Any

from fakepve import firewall
from fakepve.model import PveError
from fakepve.server import FakePve

for _alias in ("imap", "vnc"):
    # Not the first name of any port in /etc/services.
    firewall.SERVICES.pop(_alias, None)
for _macro in ("NeighborDiscovery", "DHCPv6"):
    # Those for IPv6 alone.
    firewall.MACROS[_macro] = _macro
    firewall.MACRO_NAMES[_macro.lower()] = _macro
_NOTHING_TO_PERL = "0"
_ICMP_BY_NUMBER = {"1", "58"}


def judge(rule: dict[str, Any], cluster: dict[str, Any], guest: dict[str, Any]) -> dict[str, Any]:
    """Return a container's rule as it is kept, or raise PveError: `verify_rule`, and what `format_rules` writes."""
    for name in ("proto", "dport", "sport", "comment", "source", "dest"):
        if rule.get(name) == _NOTHING_TO_PERL:
            rule.pop(name)
    if rule.get("proto", "").startswith(_NOTHING_TO_PERL):
        raise _wrong("proto", f"unknown protocol '{rule['proto']}'")
    if rule.get("proto") in _ICMP_BY_NUMBER and "dport" in rule:
        raise _wrong("dport", f"protocol '{rule['proto']}' does not support ports")
    if rule.get("proto") in _ICMP_BY_NUMBER and "icmp-type" in rule:
        raise _wrong("proto", "missing property - 'icmp-type' requires this property")
    for name in ("source", "dest"):
        if "%" in rule.get(name, ""):
            raise _wrong(name, f"invalid IP address: Invalid IP address {rule[name]}")
    kept: dict[str, Any] = firewall.verify_rule(rule, cluster, guest, "ct")
    return kept


def _wrong(name: str, why: str) -> PveError:
    return PveError(400, "Parameter verification failed.", {name: why})


class StrictFirewall(FakePve):  # type: ignore[misc] # fakepve publishes no types
    """The rules of containers are judged by `judge`."""

    def _check_rule(self, scope: str, rule: dict[str, Any], conf: dict[str, Any]) -> dict[str, Any]:
        if scope == "ct":
            return judge(rule, self.firewall_config("cluster"), conf)
        kept: dict[str, Any] = super()._check_rule(scope, rule, conf)
        return kept
