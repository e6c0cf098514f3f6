"""What is told of names that rules of a firewall have and the datacenter has not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_worker.catalog.declaration import Firewall, FirewallRule
from phoenix_worker.core.planned.datacenter import Datacenter, how_to_make, lacking_names
from tests.support.declared import DECLARED

DATACENTER = Datacenter(names=frozenset({"+office"}), groups=frozenset({"web"}))


@pytest.mark.parametrize(
    ("rule", "remedy"),
    [
        (
            FirewallRule("in", "ACCEPT", source="+dc/mgmt"),
            "or make it on a node: `pvesh create /cluster/firewall/ipset",
        ),
        (FirewallRule("in", "ACCEPT", source="+Office"), "Write 'office' in the `firewall` of the catalog"),
        (FirewallRule("group", "Web"), "`pvesh create /cluster/firewall/groups --group web`."),
        (FirewallRule("in", "ACCEPT", source="+sdn/vnet0-all"), "give the API token SDN.Audit on /sdn/zones"),
        (FirewallRule("in", "ACCEPT", dest="dc/Lan"), "aliases --name Lan --cidr ADDRESS`."),
    ],
)
def test_the_remedy_brings_about_a_name_that_proxmox_finds(rule: FirewallRule, remedy: str) -> None:
    declared = replace(DECLARED, firewall=Firewall(enabled=True, rules=(rule,)))
    (lacking,) = lacking_names(declared, DATACENTER)
    assert remedy in how_to_make(lacking)
