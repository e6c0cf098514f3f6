"""More interfaces than one: as they are declared, refused, compared, and told of when nobody declares them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.declaration import Network, Role
from phoenix_worker.core.checkup.privileges import needs
from phoenix_worker.core.differs.diff import creation_config, diff, marker_for
from phoenix_worker.core.differs.undeclared import undeclared
from phoenix_worker.core.model.marker import Stage, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned.feasibility import needs_of_change
from phoenix_worker.core.planned.prediction import inherited
from tests.support.declared import DECLARED, FIREWALL, MAC, MARKER, NET0, seen
from tests.unit.catalog_files import clone, loaded, network, refusals, template, warnings

if TYPE_CHECKING:
    from pathlib import Path

SECOND = {"bridge": "vmbr1", "ip": "10.0.1.5/24", "ip6": "auto"}
LAN = Network("vmbr1", name="eth1", ip="10.0.1.10/24", vlan=7)
WITH_LAN = replace(DECLARED, more_networks=(LAN,))
NET1 = "name=eth1,bridge=vmbr1,hwaddr=52:54:00:67:89:B4,ip=10.0.1.10/24,tag=7,type=veth"


def told(folder: Path, configs: dict[str, Any]) -> list[str]:
    return [str(refusal) for refusal in refusals(folder, {"lxc_configs": configs})]


def test_those_of_the_list_follow_the_first(tmp_path: Path) -> None:
    keys = {"trunks": [20, 3, 20], "mtu": 1400, "rate": 12.5, "firewall": False, "link_down": True}
    wan = {**SECOND, **keys, "vlan": 5, "mac_address": "52:54:00:00:00:0a", "name": "wan"}
    entry = template(network_config=network(mtu=9000), networks=[wan, {"bridge": "vmbr2"}])
    first, second, third = loaded(tmp_path, {"103": entry})[103].networks
    assert (first.name, first.mtu) == ("eth0", 9000)
    assert second == Network(
        *("vmbr1", "wan", "10.0.1.5/24"),
        ip6="auto",
        vlan=5,
        trunks=(3, 20),
        mtu=1400,
        rate=12.5,
        firewall=False,
        link_down=True,
        mac="52:54:00:00:00:0A",
    )
    assert third == Network("vmbr2", name="eth2")


def test_without_the_first_they_begin_with_it(tmp_path: Path) -> None:
    entry = template(networks=[{**SECOND, "mac_address": "52:54:00:00:00:0a"}, {"bridge": "vmbr2"}])
    declared = loaded(tmp_path, {"103": entry})[103]
    assert [one.name for one in declared.networks] == ["eth0", "eth1"]
    assert declared.mac == "52:54:00:00:00:0A"
    assert declared.network is not None


def test_a_declaration_without_the_new_keys_keeps_its_hash(tmp_path: Path) -> None:
    rule = {"type": "in", "action": "ACCEPT", "proto": "tcp", "port": 22, "source": "+dc/office", "comment": "x"}
    entries: dict[str, dict[str, Any]] = {
        "4ecb60eacf50947c": {
            "network_config": network(gw="10.0.0.1", vlan=3, nameservers="9.9.9.9"),
            "mac_address": "52:54:00:00:00:0a",
        },
        "5bf51e356cf3a34d": {},
        "2d1bac7f5034279a": {"firewall": {"enabled": True, "rules": [rule]}},
        "e666c7f768a633d2": {"firewall": {"enabled": True}},
    }
    configs = {str(ctid): template(**keys) for ctid, keys in enumerate(entries.values(), 103)}
    assert [one.hash for one in loaded(tmp_path, configs).values()] == list(entries)


GIVE_MACS = "Give each its own, or remove it and let Proxmox choose."
TOGETHER: list[tuple[dict[str, Any], str, str]] = [
    (
        {"network_config": network(), "networks": [{"bridge": "vmbr1", "name": "eth0"}]},
        "network_config and networks[0] are both named eth0 inside.",
        "Write another `name` in networks[0].",
    ),
    (
        {"networks": [{"bridge": "vmbr1", "name": "eth1"}, {"bridge": "vmbr1"}]},
        "networks[0] and networks[1] are both named eth1 inside.",
        "Write another `name` in networks[1].",
    ),
    (
        {"network_config": network(gw="10.0.0.1"), "networks": [{**SECOND, "gw": "10.0.1.1"}]},
        "network_config.gw and networks[0].gw are gateways of IPv4, and only one is used.",
        "Keep one of them.",
    ),
    (
        {"networks": [{"bridge": "b", "ip6": "fd00::5/64", "gw6": "fd00::1"}, {"bridge": "b", "gw6": "fd00::2"}]},
        "networks[0].gw6 and networks[1].gw6 are gateways of IPv6, and only one is used.",
        "Keep one of them.",
    ),
    (
        {"network_config": network(), "networks": [{"bridge": "vmbr1", "ip": "10.0.0.5/16"}]},
        "The address 10.0.0.5 of networks[0] is also that of network_config.",
        "Give each its own.",
    ),
    (
        {
            "network_config": network(),
            "mac_address": "52:54:00:00:00:0a",
            "networks": [{"bridge": "vmbr1", "mac_address": "52:54:00:00:00:0A"}],
        },
        "networks[0].mac_address 52:54:00:00:00:0A is also that of mac_address.",
        GIVE_MACS,
    ),
    (
        {"mac_address": "52:54:00:00:00:0a", "networks": [{"bridge": "vmbr1", "mac_address": "52:54:00:00:00:0b"}]},
        "mac_address and networks[0].mac_address are both that of net0.",
        "Remove mac_address.",
    ),
    (
        {"networks": [{"bridge": "vmbr1"}] * 33},
        "It has 33 interfaces, and Proxmox takes 32.",
        "Remove some of networks.",
    ),
]


@pytest.mark.parametrize(("keys", "problem", "remedy"), TOGETHER)
def test_what_does_not_go_together_is_refused(tmp_path: Path, keys: dict[str, Any], problem: str, remedy: str) -> None:
    assert told(tmp_path, {"103": template(**keys)}) == [f"CT 103: {problem} {remedy}"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"mtu": 63}, "networks[0].mtu 63 is below 64. Write at least 64."),
    ({"mtu": 65536}, "networks[0].mtu 65536 is above 65535. Write at most 65535."),
    ({"mtu": "1500"}, 'networks[0].mtu "1500" is not a whole number.'),
    ({"rate": "5"}, 'networks[0].rate "5" is not a number. Write 5.0.'),
    ({"rate": "fast"}, 'networks[0].rate "fast" is not a number. Write MB a second without quotes, such as 12.5.'),
    ({"rate": True}, "networks[0].rate true is not a number."),
    ({"rate": 0}, "networks[0].rate 0 is below 0.001."),
    ({"vlan": 4095}, "networks[0].vlan 4095 is above 4094."),
    ({"trunks": [5, 0]}, "networks[0].trunks[1] 0 is below 1."),
    ({"trunks": "5;6"}, 'networks[0].trunks "5;6" is not a list. Write [5, 6].'),
    ({"firewall": 1}, "networks[0].firewall 1 is neither true nor false."),
    ({"link_down": "no"}, 'networks[0].link_down "no" is neither true nor false.'),
    ({"mac_address": "01:00:00:00:00:01"}, 'networks[0].mac_address "01:00:00:00:00:01" is a multicast MAC address.'),
    ({"gw": "10.9.9.9"}, "networks[0] has the gateway 10.9.9.9, which is outside its network 10.0.1.0/24."),
    ({"name": "no blank"}, 'networks[0].name "no blank" is not the name of an interface.'),
    ({"hwaddr": "x"}, 'networks[0].hwaddr "x" is not known here and would be left out. mac_address was probably'),
    ({"tag": 5}, "networks[0].tag 5 is not known here and would be left out. vlan was probably meant: write that."),
    ({"nameservers": "x"}, 'networks[0].nameservers "x" is not known here and would be left out. Write nameservers in'),
    ({"bridge": None}, "networks[0].bridge is missing. Declare networks[0].bridge."),
]


@pytest.mark.parametrize(("keys", "line"), WRONG)
def test_a_wrong_value_is_refused_with_what_to_write(tmp_path: Path, keys: dict[str, Any], line: str) -> None:
    (only,) = told(tmp_path, {"103": template(networks=[SECOND | keys])})
    assert only.startswith(f"CT 103: {line}")


def test_addresses_and_macs_of_all_interfaces_are_compared_across_the_catalog(tmp_path: Path) -> None:
    one = template(network_config=network(), networks=[{**SECOND, "mac_address": "52:54:00:00:00:0A"}])
    other = template(networks=[{"bridge": "x", "ip": "10.0.1.5/24"}], mac_address="52:54:00:00:00:0a")
    assert told(tmp_path, {"103": one, "104": other}) == [
        f"CT 104: mac_address 52:54:00:00:00:0A is also that of 103. {GIVE_MACS}",
        "CT 104: The address 10.0.1.5 is also that of 103. Give each its own.",
    ]


def test_a_clone_may_not_inherit_the_address_of_a_further_interface(tmp_path: Path) -> None:
    base = template(network_config=network("dhcp"), networks=[SECOND])
    (line,) = told(tmp_path, {"900": base, "901": clone(), "103": clone(901, networks=[{"bridge": "b"}] * 2)})
    assert line.startswith("CT 901: It declares no net1 and would inherit the address 10.0.1.5 of its template 900.")
    dhcp = template(network_config=network("dhcp"), networks=[{"bridge": "vmbr1", "ip": "dhcp"}])
    assert loaded(tmp_path, {"900": dhcp, "103": clone()})


def test_a_new_container_has_them_all() -> None:
    config = creation_config(WITH_LAN, marker_for(WITH_LAN, "c1", Stage.CONFIGURED))
    assert config["net0"] == NET0
    assert config["net1"] == "name=eth1,bridge=vmbr1,ip=10.0.1.10/24,tag=7,type=veth"


def test_one_that_is_there_keeps_its_mac_and_what_is_not_declared() -> None:
    assert diff(WITH_LAN, seen()).put == {"net1": "name=eth1,bridge=vmbr1,ip=10.0.1.10/24,tag=7,type=veth"}
    assert not diff(WITH_LAN, seen(net1=NET1))
    changed = diff(replace(DECLARED, more_networks=(replace(LAN, vlan=8),)), seen(net1=f"{NET1},mtu=1400"))
    assert changed.put == {"net1": NET1.replace("tag=7", "mtu=1400,tag=8")}
    assert changed.pending_when_running == ()


@pytest.mark.parametrize(
    ("declared", "shown"),
    [
        (replace(LAN, trunks=(2, 10)), f"{NET1},trunks=10;2"),
        (replace(LAN, rate=12.5), f"{NET1},rate=12.50"),
        (replace(LAN, rate=5.0), f"{NET1},rate=5"),
        (replace(LAN, firewall=False, link_down=False), NET1),
        (replace(LAN, firewall=False, link_down=False), f"{NET1},firewall=0,link_down=0"),
        (replace(LAN, firewall=True, link_down=True), f"{NET1},firewall=1,link_down=1"),
    ],
)
def test_other_spellings_of_the_same_are_no_difference(declared: Network, shown: str) -> None:
    assert not diff(replace(DECLARED, more_networks=(declared,)), seen(net1=shown))


@pytest.mark.parametrize(
    ("declared", "later"),
    [
        (replace(LAN, mtu=1400), ("net1",)),
        (replace(LAN, trunks=(2,)), ("net1",)),
        (replace(LAN, trunks=(2,), vlan=8), ()),
        (replace(LAN, rate=5.0), ()),
        (replace(LAN, link_down=True), ()),
        (replace(LAN, ip="dhcp"), ()),
    ],
)
def test_what_a_running_container_takes_at_its_next_start_is_told(declared: Network, later: tuple[str, ...]) -> None:
    changes = diff(replace(DECLARED, more_networks=(declared,)), seen(net1=NET1))
    assert "net1" in changes.put
    assert changes.pending_when_running == later


def test_the_firewall_is_for_every_declared_interface_unless_it_says_otherwise() -> None:
    walled = replace(WITH_LAN, firewall=FIREWALL)
    both = diff(walled, seen(net1=NET1, net2=NET1.replace("eth1", "eth2"))).put
    assert sorted(both) == ["net0", "net1"]
    assert all("firewall=1" in value for value in both.values())
    open_lan = replace(walled, more_networks=(replace(LAN, firewall=False),))
    assert sorted(diff(open_lan, seen(net1=NET1)).put) == ["net0"]
    alone = replace(DECLARED, network=replace(DECLARED.network or LAN, firewall=True))
    assert "firewall=1" in diff(alone, seen()).put["net0"]


def test_a_fresh_clone_loses_the_addresses_that_it_inherited_at_every_interface() -> None:
    made = write_marker(replace(MARKER, stage=Stage.MADE))
    put = diff(DECLARED, seen(net1=f"{NET1},gw=10.0.1.1", description=made)).put
    assert put["net1"] == "name=eth1,bridge=vmbr1,hwaddr=52:54:00:67:89:B4,tag=7,type=veth"
    assert "net1" not in diff(DECLARED, seen(net1=NET1)).put


def test_a_plan_for_a_clone_gives_no_mac_of_its_template() -> None:
    sealed = Observation(900, "pve1", Presence.HERE, seen(net1=NET1).config)
    config = inherited(DECLARED, sealed).config
    assert ("hwaddr" in config["net0"], "hwaddr" in config["net1"]) == (False, False)


def test_one_that_nobody_declares_stays_and_is_told() -> None:
    base = replace(DECLARED, ctid=900, role=Role.TEMPLATE)
    stays = ("CT 103 has an interface eth1 (net1) that is not declared: it stays.",)
    assert undeclared(DECLARED, seen(net1=NET1), [base]) == stays
    assert undeclared(DECLARED, seen(net1=NET1), [replace(base, more_networks=(LAN,))]) == ()
    assert undeclared(WITH_LAN, seen(net1=NET1)) == ()
    assert undeclared(replace(DECLARED, network=None), seen()) == ()


def test_every_bridge_is_needed_and_so_is_the_right_to_each_of_its_vlans() -> None:
    further = (LAN, Network("vmbr2", "eth2", trunks=(3, 4)), Network("vmbr3", "eth3"))
    declared = replace(DECLARED, more_networks=further)
    assert needs_of_change(declared, seen(net1=NET1)).bridges == {"vmbr2": "networks", "vmbr3": "networks"}
    paths = {need.path for need in needs({103: declared}) if need.privilege == "SDN.Use"}
    zone = "/sdn/zones/localnetwork"
    wanted = ("vmbr0", "vmbr1/7", "vmbr2/3", "vmbr2/4", "vmbr3")
    assert paths == {f"{zone}/{bridge}" for bridge in wanted}


def test_the_mac_of_the_first_stays_its_own() -> None:
    assert MAC in creation_config(WITH_LAN, marker_for(WITH_LAN, "c1", Stage.CONFIGURED))["net0"]


SSH = {"type": "in", "action": "ACCEPT", "macro": "SSH"}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"networks": [SECOND], "firewall": {"enabled": True, "rules": [SSH, {**SSH, "iface": "net1"}]}},
            "firewall.rules[1] is for net1, which is not declared.",
        ),
        (
            {"networks": [{**SECOND, "firewall": False}], "firewall": {"enabled": True, "rules": [SSH]}},
            "firewall is enabled, and no interface is filtered by it.",
        ),
        (
            {"networks": [SECOND], "firewall": {"enabled": True, "rules": [{**SSH, "enable": False}]}},
            "firewall is enabled and no rule accepts incoming traffic, so Proxmox drops all of it.",
        ),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(tmp_path: Path, keys: dict[str, Any], words: str) -> None:
    (advice,) = warnings(tmp_path, {"103": template(**keys)})
    assert advice.problem == words


def test_rules_for_interfaces_that_are_there_are_none(tmp_path: Path) -> None:
    ruled: dict[str, Any] = {"firewall": {"enabled": True, "rules": [{**SSH, "iface": "net1"}]}}
    dhcp = {"bridge": "vmbr1", "ip": "dhcp"}
    base = template(networks=[dhcp, dhcp])
    assert warnings(tmp_path, {"900": base, "103": clone(**ruled), "104": template(**ruled)}) == ()
    open_in: dict[str, Any] = {"firewall": {"enabled": True, "policy_in": "ACCEPT"}}
    assert warnings(tmp_path, {"103": template(networks=[dhcp, {**dhcp, "firewall": False}], **open_in)}) == ()
