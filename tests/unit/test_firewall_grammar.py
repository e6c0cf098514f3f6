"""Rules are held to Proxmox's own grammar when the catalog is loaded: what it refuses would fail a made container."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakepve.firewall import empty_conf
from fakepve.model import PveError
from hypothesis import given
from hypothesis import strategies as st

from phoenix_worker.catalog.findings import CatalogError
from phoenix_worker.catalog.loading import load_bytes
from phoenix_worker.core.differs.firewall import declared_rule, policy_writes, wording
from phoenix_worker.core.model.firewall import FirewallState
from tests.support.firewall_rules import ALIASES, IP_SETS, READ_OTHERWISE, REFUSED, TAKEN, unchecked
from tests.support.strict_firewall import judge
from tests.unit.catalog_files import DEFAULTS, loaded, refusals, template

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import FirewallRule

FRAME = {"type": "in", "action": "ACCEPT"}


def said(rule: dict[str, Any]) -> FirewallRule | None:
    """The rule as it is declared; None if loading refuses it."""
    text = json.dumps({"lxc_configs": {"103": template(firewall={"rules": [FRAME | rule]})}})
    try:
        firewall = load_bytes(text.encode(), Path(), DEFAULTS)[103].firewall
    except CatalogError:
        return None
    assert firewall is not None
    assert firewall.rules is not None
    return firewall.rules[0]


def proxmox_takes(rule: FirewallRule, *, as_sent: bool = True) -> bool:
    datacenter = empty_conf()
    datacenter["ipset"] = {name: [] for name in IP_SETS}
    datacenter["aliases"] = {name: {"ipversion": None} for name in ALIASES}
    sent = declared_rule(rule)
    try:
        kept = judge(dict(sent), datacenter, empty_conf())
    except PveError:
        return False
    kept.pop("ipversion", None)
    assert kept == sent or not as_sent, "Proxmox keeps it as it was sent, or it would be changed for ever"
    return True


@pytest.mark.parametrize("rule", TAKEN, ids=str)
def test_what_proxmox_takes_is_declared_and_kept_as_it_was_sent(rule: dict[str, Any]) -> None:
    declared = said(rule)
    assert declared is not None
    assert proxmox_takes(declared)


@pytest.mark.parametrize("rule", REFUSED, ids=str)
def test_what_proxmox_refuses_is_refused_before_anything_is_made(rule: dict[str, Any]) -> None:
    assert said(rule) is None
    assert not proxmox_takes(unchecked(rule))


@pytest.mark.parametrize("rule", READ_OTHERWISE, ids=str)
def test_what_proxmox_reads_otherwise_than_it_looks_is_refused(rule: dict[str, Any]) -> None:
    assert said(rule) is None
    assert proxmox_takes(unchecked(rule), as_sent=False)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("10/8", "10.0.0.0/8"),
        ("192.168/16,10.1.2.3", "192.168.0.0/16,10.1.2.3"),
        ("10.0.0.0/255.255.255.0", "10.0.0.0/24"),
        ("0.0.0.0/0.0.0.0", "0.0.0.0/0"),
    ],
)
def test_a_short_network_is_sent_in_full(written: str, sent: str) -> None:
    declared = said({"source": written})
    assert declared is not None
    assert declared_rule(declared)["source"] == sent


_ADDRESSES = """
10/8 1:2:3:4:5:6:7::
10.0.0.1 10.0.0.0/24 10.0.0.3/24 10.0.0.2-10.0.0.9 10.0.0.9-10.0.0.2 fd00::1 fd00::/8 fe80::1%x 10.0.0.1-fd00::1 +office
router
"""
ADDRESS = st.sampled_from(_ADDRESSES.split())
ADDRESSES = st.lists(ADDRESS, min_size=1, max_size=3).map(",".join)
PORT = st.sampled_from(
    ["0", "22", "443", "65536", "8000:8010", "9:8", "ssh", "nosuch", "echo-request", "no-route", "any"]
)
PORTS = st.lists(PORT, min_size=1, max_size=17).map(",".join)
PROTO = st.sampled_from(["tcp", "17", "icmp", "icmpv6", "ipv6-icmp", "1", "58", "esp", "nosuch"])


PARTS = {
    "source_port": PORTS,
    "icmp_type": st.sampled_from(["echo-request", "no-route", "redirect", "8", "nosuch"]),
    "iface": st.sampled_from(["net0", "net31", "eth0"]),
}


@given(
    st.fixed_dictionaries({}, optional={"source": ADDRESSES, "dest": ADDRESSES, "proto": PROTO, "port": PORTS, **PARTS})
)
def test_loading_and_proxmox_are_of_one_mind(rule: dict[str, str]) -> None:
    declared = said(rule)
    assert (declared is not None) == proxmox_takes(declared or unchecked(rule))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"source": "10.0.0.5/24"}, "Write 10.0.0.0/24 for the network, or the address alone"),
        ({"source": "10.0.0.9-10.0.0.1"}, "Write 10.0.0.1-10.0.0.9."),
        ({"source": "10.0.0.1,+office"}, "Write a rule of its own for +office."),
        ({"source": "fe80::5%eth0"}, "Write fe80::5."),
        ({"source": "fd00:0:0:0:0:0:1::"}, "Write fd00:0000:0000:0000:0000:0000:0001:0000."),
        ({"comment": "-"}, "Write it in words, or none."),
        ({"proto": "tcp", "port": "8010:8000"}, "Write 8000:8010."),
        ({"proto": "1", "port": "8"}, 'Declare "proto": "icmp", whose port is a type.'),
        ({"proto": "58", "port": "128"}, 'Declare "proto": "icmpv6", whose port is a type.'),
        ({"source": "10.0.0.1", "proto": "icmpv6"}, "Write a rule for each."),
        ({"macro": "SHH"}, "SSH was probably meant. Otherwise write proto and port in its place."),
        ({"macro": "xyzzy"}, "Write proto and port in its place."),
        ({"macro": "no-such"}, "Write it as Proxmox does."),
        ({"macro": "SSH", "proto": "tcp", "port": 22}, "Remove proto and port, or the macro."),
        ({"iface": "eth0"}, "Write net0, net1 and so on, as Proxmox does."),
        ({"source_port": 22}, 'Declare "proto": "tcp".'),
        ({"icmp_type": "echo-request"}, 'Declare "proto": "icmp".'),
        ({"icmp_type": "no-route"}, 'Declare "proto": "icmpv6".'),
        ({"proto": "icmp", "icmp_type": "no-route"}, "Write one of that protocol."),
        ({"proto": "icmp", "icmp_type": "echo-reqest"}, "Write it like echo-request."),
        ({"proto": "icmp", "icmp_type": "redirect", "port": 8}, "Remove port."),
        ({"enable": 1}, "Write true."),
        ({"group": "web"}, "Remove type and action, or group."),
        ({"type": None}, "Declare firewall.rules[0].type."),
        ({"group": "a-name-that-is-too-long"}, "at most 18 letters"),
    ],
)
def test_the_remedy_is_in_the_rules_own_words(tmp_path: Path, rule: dict[str, Any], words: str) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(firewall={"rules": [FRAME | rule]})}})
    assert words in refusal.remedy
    assert refusal.problem.startswith("firewall.rules[0]")


@pytest.mark.parametrize("proto", ["tcp", "icmp", "icmpv6"])
def test_zero_is_sent_so_that_proxmox_does_not_take_it_for_nothing(proto: str) -> None:
    declared = said({"proto": proto, "port": "0"})
    assert declared is not None
    assert declared_rule(declared)["dport"] == "00"


def test_zero_as_a_source_port_is_too() -> None:
    declared = said({"proto": "tcp", "source_port": 0})
    assert declared is not None
    assert declared_rule(declared)["sport"] == "00"


def test_a_macro_is_written_as_proxmox_writes_it() -> None:
    declared = said({"macro": "ssh", "source": "+dc/office", "enable": False})
    assert declared is not None
    assert declared_rule(declared) == {**FRAME, "enable": "0", "macro": "SSH", "source": "+dc/office"}


def test_a_group_as_proxmox_writes_it_is_refused_with_how_we_do(tmp_path: Path) -> None:
    rules = {"rules": [{"type": "group", "action": "web", "iface": "net0"}]}
    told = {one.remedy for one in refusals(tmp_path, {"lxc_configs": {"103": template(firewall=rules)}})}
    assert told == {'Write "firewall": {"rules": [{"group": "web", "iface": "net0"}]}.'}


def test_a_security_group_is_written_as_proxmox_has_it() -> None:
    declared = said({"group": "web", "type": None, "action": None, "iface": "net0", "enable": False})
    assert declared is not None
    rule = declared_rule(declared)
    assert rule == {"type": "group", "action": "web", "enable": "0", "iface": "net0"}
    assert wording(rule) == "|GROUP web -i net0"


def test_the_options_of_a_firewall_reach_it_by_proxmoxs_names(tmp_path: Path) -> None:
    options = {"log_level_in": "info", "dhcp": True, "ndp": False, "radv": False, "macfilter": True, "ipfilter": True}
    declared = loaded(tmp_path, {"103": template(firewall={"enabled": True, "policy_in": "ACCEPT", **options})})[103]
    assert declared.firewall is not None
    flags = {"dhcp": "1", "ndp": "0", "radv": "0", "macfilter": "1", "ipfilter": "1"}
    assert declared.firewall.policies == {"policy_in": "ACCEPT", "log_level_in": "info", **flags}
    as_new = FirewallState(enabled=True)
    assert policy_writes(declared.firewall, as_new) == {
        "policy_in": "ACCEPT",
        "log_level_in": "info",
        "dhcp": "1",
        "ndp": "0",
        "ipfilter": "1",
    }
    assert policy_writes(declared.firewall, FirewallState(True, policies=declared.firewall.policies)) == {}  # noqa: FBT003
