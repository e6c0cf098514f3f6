"""The firewall of fakepve, made to judge and keep rules as `pve-firewall` does where it does not."""

from __future__ import annotations

import re
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
_DELETES = "-"
_ICMP_BY_NUMBER = {"1", "58"}


def judge(rule: dict[str, Any], cluster: dict[str, Any], guest: dict[str, Any]) -> dict[str, Any]:
    """Return a container's rule as it is kept, or raise PveError: `verify_rule`, and what `format_rules` writes."""
    for name in ("proto", "dport", "sport", "comment", "source", "dest"):
        if rule.get(name) in {_NOTHING_TO_PERL, _DELETES}:
            rule.pop(name)
    if rule.get("proto", "").startswith(_NOTHING_TO_PERL):
        raise _wrong("proto", f"unknown protocol '{rule['proto']}'")
    if rule.get("proto") in _ICMP_BY_NUMBER and "dport" in rule:
        raise _wrong("dport", f"protocol '{rule['proto']}' does not support ports")
    if rule.get("proto") in _ICMP_BY_NUMBER and "icmp-type" in rule:
        raise _wrong("proto", "missing property - 'icmp-type' requires this property")
    for name in ("source", "dest"):
        if "%" in rule.get(name, "") or any(part.partition("/")[0].count(":") > 7 for part in _parts(rule, name)):
            raise _wrong(name, f"invalid IP address: Invalid IP address {rule[name]}")
    as_written: dict[str, Any] = {name: rule[name] for name in ("source", "dest") if name in rule}
    rule |= {name: ",".join(map(_as_net_ip, _parts(rule, name))) for name in as_written}
    kept: dict[str, Any] = firewall.verify_rule(rule, cluster, guest, "ct")
    kept |= as_written
    return kept


def _parts(rule: dict[str, Any], name: str) -> list[str]:
    text: str = rule.get(name, "")
    return text.split(",")


def _as_net_ip(part: str) -> str:
    """How Perl's Net::IP reads it: missing quads are 0, zeros in front count for nothing, and of a netmask nothing."""
    first, dash, last = part.partition("-")
    if dash and re.match(r"[0-9]", part):
        return "-".join(_as_net_ip(end).partition("/")[0] for end in (first, last))
    address, slash, length = part.partition("/")
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}", address):
        address = ".".join(str(int(quad)) for quad in [*address.split("."), "0", "0", "0"][:4])
    number = re.match(r"[0-9]+", length)
    if number is None:
        return address if not slash else part
    masked = re.fullmatch(r"[0-9]+(\.[0-9]+){3}", length)
    return address if masked else f"{address}{slash}{int(number[0])}"


def _wrong(name: str, why: str) -> PveError:
    return PveError(400, "Parameter verification failed.", {name: why})


class StrictFirewall(FakePve):  # type: ignore[misc] # fakepve publishes no types
    """The rules of containers are judged by `judge`."""

    def _check_rule(self, scope: str, rule: dict[str, Any], conf: dict[str, Any]) -> dict[str, Any]:
        if scope == "ct":
            return judge(rule, self.firewall_config("cluster"), conf)
        kept: dict[str, Any] = super()._check_rule(scope, rule, conf)
        return kept
