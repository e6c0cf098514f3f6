"""Which addresses count, and which are still to come."""

from __future__ import annotations

import pytest

from phoenix_producer.contract import Address, EnsureResult
from phoenix_producer.standing import Standing
from phoenix_worker.core.model.addresses import (
    Interface,
    configured,
    interfaces,
    lacking,
    may_get_more,
    networks,
    reachable,
)
from phoenix_worker.core.model.ports import SeenInterface

MAC = "BC:24:11:00:00:01"
FIXED, SERVED = "name=eth0,bridge=vmbr0,ip=10.0.0.5/24", "name=eth1,bridge=vmbr1,ip=dhcp"
BY_MAC = "fd00::be24:11ff:fe00:1/64"


def test_fixed_addresses_are_listed_in_the_order_of_the_interfaces() -> None:
    config = {
        "net10": "name=eth2,bridge=vmbr0,ip=10.0.0.7/8,type=veth",
        "net2": "name=eth1,bridge=vmbr0,ip=192.168.1.5/24,ip6=2001:db8::5/64,type=veth",
        "hostname": "net0",
    }
    assert configured(config) == (
        Address(interface="eth1", address="192.168.1.5", prefix=24),
        Address(interface="eth1", address="2001:db8::5", prefix=64),
        Address(interface="eth2", address="10.0.0.7", prefix=8),
    )


def test_what_is_no_address_of_a_service_is_left_out() -> None:
    config = {
        "net0": "name=eth0,bridge=vmbr0,ip=dhcp,ip6=auto",
        "net1": "name=eth1,bridge=vmbr0,ip=169.254.0.5/16,ip6=fe80::5/64",
        "net2": "name=eth2,bridge=vmbr0,ip=127.0.0.2/8,ip6=manual",
        "net3": "name=eth3,bridge=vmbr0",
    }
    assert configured(config) == ()


def test_a_status_of_an_older_worker_has_no_addresses() -> None:
    older = {"ctid": 103, "name": "ct", "role": "container", "state": "running", "node": "pve", "exists": "container"}
    assert Standing.model_validate(older).addresses == ()


def test_a_result_of_an_older_worker_has_no_addresses() -> None:
    older = {"request_id": "a", "ctid": 103, "node": "pve", "outcome": "created"}
    assert EnsureResult.model_validate(older).addresses == ()


def found(seen: SeenInterface, net0: str = "name=eth0,bridge=vmbr0,ip=dhcp,ip6=auto") -> list[str]:
    return [f"{one.address}/{one.prefix}" for one in reachable({"net0": net0}, [seen])]


@pytest.mark.parametrize(
    ("addresses", "counting"),
    [
        (("127.0.0.1/8", "::1/128", "169.254.3.4/16", "fe80::be24:11ff:fe00:1/64"), []),
        (("10.0.0.9/24", "fe80::1/64"), ["10.0.0.9/24"]),
        (("fd00::1234:5678/64", BY_MAC), [BY_MAC]),
        (("fd00::7/128", BY_MAC), ["fd00::7/128", BY_MAC]),  # of DHCP: no temporary one
        (("fd00::1234:5678/64", "fd00::9876:5432/64"), ["fd00::1234:5678/64", "fd00::9876:5432/64"]),
        (("fd00:1::1234:5678/64", BY_MAC), ["fd00:1::1234:5678/64", BY_MAC]),
        (("10.0.0.9", "what/is/this", ""), ["10.0.0.9/32"]),
    ],
)
def test_addresses_that_others_can_keep(addresses: tuple[str, ...], counting: list[str]) -> None:
    assert found(SeenInterface("eth0", MAC, addresses)) == counting


@pytest.mark.parametrize("mac", ["", "00", "zz:24:11:00:00:01"])
def test_without_a_mac_no_address_is_taken_for_temporary(mac: str) -> None:
    assert found(SeenInterface("eth0", mac, ("fd00::1234:5678/64", BY_MAC))) == ["fd00::1234:5678/64", BY_MAC]


def test_what_is_fixed_is_told_once_and_without_being_seen() -> None:
    assert found(SeenInterface("eth0", MAC, ("10.0.0.5/24", "10.0.0.6/24")), FIXED) == ["10.0.0.5/24", "10.0.0.6/24"]
    assert found(SeenInterface("eth7", MAC, ("172.17.0.1/16",)), FIXED) == ["10.0.0.5/24"]


@pytest.mark.parametrize(
    ("nets", "awaited"),
    [
        ([FIXED], []),
        ([FIXED, SERVED], ["eth1"]),
        (["name=eth0,bridge=vmbr0,ip6=auto", SERVED], ["eth0", "eth1"]),
        (["name=eth0,bridge=vmbr0,ip=10.0.0.5/24,ip6=auto"], []),  # one is enough for an interface
        (["name=eth0,bridge=vmbr0,ip=manual", FIXED.replace("eth0", "eth2")], []),
        (["name=eth0,bridge=vmbr0,ip=manual", "name=eth1,bridge=vmbr0"], ["eth0", "eth1"]),
        ([SERVED, "name=eth2,bridge=vmbr0,ip=dhcp,link_down=1"], ["eth1"]),
        ([], []),
    ],
)
def test_each_interface_that_is_served_waits_for_an_address(nets: list[str], awaited: list[str]) -> None:
    config = {f"net{number}": value for number, value in enumerate(nets)}
    assert [one.name for one in lacking(config, configured(config))] == awaited


def test_one_address_is_enough_where_the_container_sees_to_them_itself() -> None:
    config = {"net0": "name=eth0,bridge=vmbr0,ip=manual", "net1": "name=eth1,bridge=vmbr0"}
    there = reachable(config, [SeenInterface("eth1", MAC, ("10.0.0.9/24",))])
    assert lacking(config, there) == ()


@pytest.mark.parametrize(
    ("net0", "more"),
    [
        (FIXED, False),
        (SERVED, True),
        (f"{SERVED},link_down=1", False),
        ("name=eth0,bridge=vmbr0,ip=manual", True),
        ("name=eth0,bridge=vmbr0,ip6=manual,link_down=1", False),
        ("name=eth0,bridge=vmbr0", True),
        (f"{FIXED},ip6=manual", False),
    ],
)
def test_only_what_has_more_than_fixed_addresses_is_asked(net0: str, *, more: bool) -> None:
    assert may_get_more({"net0": net0, "hostname": "net1"}) is more


def test_an_interface_is_read_with_its_bridge() -> None:
    config = {"net1": "name=eth1,bridge=vmbr1,ip=dhcp", "net0": "bridge=vmbr0,ip=10.0.0.5/24", "hostname": "net2"}
    fixed = (Address(interface="", address="10.0.0.5", prefix=24),)
    assert interfaces(config) == (
        Interface("", "vmbr0", fixed, dynamic=False),
        Interface("eth1", "vmbr1", (), dynamic=True),
    )
    assert interfaces({"net0": "name=eth0"}) == (Interface("eth0", "", (), dynamic=False),)
    assert networks(config) == {"net1": config["net1"], "net0": config["net0"]}


def test_a_mac_is_read_in_small_letters_too() -> None:
    assert found(SeenInterface("eth0", MAC.lower(), ("fd00::1234:5678/64", BY_MAC))) == [BY_MAC]
