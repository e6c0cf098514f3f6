from __future__ import annotations

from phoenix_producer.contract import Address
from phoenix_producer.standing import Standing
from phoenix_worker.core.model.addresses import configured


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
