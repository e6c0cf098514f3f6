"""What Proxmox takes is made as it is declared, and then needs nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.firewall_rules import ALIASES, IP_SETS, TAKEN
from tests.support.product import container

if TYPE_CHECKING:
    from tests.support.product import Product

BLANK = "vztmpl/my image.tar"
RULES: list[dict[str, object]] = [
    {"type": "in", "action": "ACCEPT", **rule} for rule in TAKEN if rule.get("source") != "+guest/office"
]
"""Without the rule whose IP set is the container's own: there is none before it is made."""


def test_every_value_that_proxmox_takes_is_made_once(product: Product) -> None:
    pve, do = product.simulator.pve, product.simulator.do
    do(pve.storages["local"]["volumes"].update, {BLANK: {"content": "vztmpl", "format": "tar", "size": 1}})
    datacenter = pve.firewall_config("cluster")
    do(datacenter["ipset"].update, {name: [] for name in IP_SETS})
    do(datacenter["groups"].update, {str(rule["group"]): [] for rule in RULES if "group" in rule})
    do(datacenter["aliases"].update, {name: {"name": name, "cidr": "fd00::9"} for name in ALIASES})
    routed = {"bridge": "vmbr0", "ip": "203.0.113.7/32", "gw": "198.51.100.1"}
    walled = {"enabled": True, "policy_in": "REJECT", "policy_out": "DROP", "rules": RULES}
    walled |= {"log_level_out": "info", "dhcp": True, "ndp": False, "ipfilter": False, "macfilter": True}
    trunk = {"bridge": "vmbr0", "trunks": [20, 3], "mtu": 9000, "rate": 12.5, "firewall": False, "link_down": True}
    lan = {"bridge": "vmbr0", "name": "lan", "ip": "dhcp", "vlan": 7, "mac_address": "52:54:00:aa:00:01"}
    declared = {"network_config": routed, "networks": [trunk, lan], "firewall": walled, "state": "stopped"}
    product.declare({103: container(103, None, template=f"local:{BLANK}", **declared)})
    product.simulator.set(pve, version="9.2.11")  # the OS template is a .tar
    product.start_worker()
    product.ensure(103)
    assert {"gw=198.51.100.1", "ip=203.0.113.7/32"} <= set(product.config(103)["net0"].split(","))
    assert {"name=eth1", "trunks=3;20", "mtu=9000", "rate=12.5", "link_down=1"} <= set(
        product.config(103)["net1"].split(",")
    )
    assert {"name=lan", "firewall=1", "tag=7", "hwaddr=52:54:00:AA:00:01"} <= set(
        product.config(103)["net2"].split(",")
    )
    assert pve.firewall_config("ct", vmid=103)["options"] == {
        "enable": 1,
        "policy_in": "REJECT",
        "policy_out": "DROP",
        "log_level_out": "info",
        "dhcp": 1,
        "ndp": 0,
        "ipfilter": 0,
        "macfilter": 1,
    }
    assert len(pve.firewall_config("ct", vmid=103)["rules"]) == len(RULES)
    written = len(product.writes())
    assert product.ensure(103).outcome == "unchanged"
    assert len(product.writes()) == written
