"""The addresses of containers, as nodes of all versions tell them over HTTPS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer.contract import Address
from phoenix_worker.actions.watch_tasks import Probe
from phoenix_worker.core.model.addresses import reachable
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.ports import SeenInterface
from tests.support.proxmox import NODE, Simulator
from tests.support.strict_pve import TOKEN_ID

if TYPE_CHECKING:
    from phoenix_worker.core.model.ports import Proxmox

MAC = "BC:24:11:00:00:01"
CONFIG = {
    "net0": f"name=eth0,bridge=vmbr0,hwaddr={MAC},ip=dhcp,ip6=auto,type=veth",
    "net1": "name=eth1,bridge=vmbr1,hwaddr=BC:24:11:00:00:02,ip=10.1.0.5/24,type=veth",
}
LEASE, BY_MAC, LINK_LOCAL = "10.64.0.105/16", "fd00:1::be24:11ff:fe00:1/64", "fe80::be24:11ff:fe00:1/64"
FIXED = Address(interface="eth1", address="10.1.0.5", prefix=24)


@pytest.fixture
def running(simulator: Simulator) -> Simulator:
    simulator.do(simulator.pve.add_ct, 103, status="running", config=dict(CONFIG))
    return simulator


def told(door: Proxmox) -> list[str]:
    addresses = reachable(CONFIG, door.interfaces(NODE, 103) or ())
    return [f"{one.interface} {one.address}/{one.prefix}" for one in addresses]


def test_all_addresses_are_read_in_one_call(running: Simulator, door: Proxmox) -> None:
    loopback, first, second = door.interfaces(NODE, 103) or ()
    assert running.calls() == [("GET", f"/nodes/{NODE}/lxc/103/interfaces")]
    assert loopback.addresses == ("127.0.0.1/8", "::1/128")
    assert first == SeenInterface("eth0", MAC, (LEASE, BY_MAC, LINK_LOCAL))
    assert second.addresses[0] == "10.1.0.5/24"


def test_what_a_service_can_be_reached_by_is_told(running: Simulator, door: Proxmox) -> None:
    running.set(running.pve, of_its_own=("172.17.0.1/16",))
    assert told(door) == [f"eth0 {LEASE}", f"eth0 {BY_MAC}", "eth1 10.1.0.5/24"]
    running.set(running.pve, lease_secs=3600.0)
    assert told(door) == ["eth1 10.1.0.5/24"]


def test_numbers_may_come_in_quotes(running: Simulator, door: Proxmox) -> None:
    running.set(running.pve, numbers_as_words=True)
    assert told(door) == [f"eth0 {LEASE}", f"eth0 {BY_MAC}", "eth1 10.1.0.5/24"]


def test_a_proxmox_of_before_2025_tells_the_last_address_of_each_family(running: Simulator, door: Proxmox) -> None:
    running.set(running.pve, before_2025=True)
    assert (door.interfaces(NODE, 103) or ())[1] == SeenInterface("eth0", MAC, (LEASE, LINK_LOCAL))
    assert told(door) == [f"eth0 {LEASE}", "eth1 10.1.0.5/24"]


def test_temporary_addresses_are_left_out_beside_the_one_that_lasts(running: Simulator, door: Proxmox) -> None:
    running.set(running.pve, more_addresses=("fd00:1::1234:5678:9abc:def0/64", "fd00:9::1234:5678:9abc:def0/64"))
    seen = told(door)
    assert "eth0 fd00:1::1234:5678:9abc:def0/64" not in seen
    assert "eth0 fd00:9::1234:5678:9abc:def0/64" in seen, "in that network it may be the one that lasts"


def test_of_what_does_not_run_nothing_is_told(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103, status="stopped", config=dict(CONFIG))
    assert door.interfaces(NODE, 103) is None


def test_who_may_not_look_is_told_the_privilege(running: Simulator, door: Proxmox) -> None:
    running.do(running.pve.acl.__setitem__, TOKEN_ID, [])
    with pytest.raises(PermanentError) as refused:
        door.interfaces(NODE, 103)
    assert refused.value.cause == "proxmox-permission"
    assert "VM.Audit on /vms/103" in refused.value.remedy


@pytest.mark.parametrize("strange", [[{}], [{"name": "eth0", "ip-addresses": None}], [{"name": "eth0", "inet": "x"}]])
def test_a_strange_answer_tells_no_address(running: Simulator, door: Proxmox, strange: list[dict[str, str]]) -> None:
    running.set(running.pve, foreign=("interfaces", strange))
    assert told(door) == ["eth1 10.1.0.5/24"]


# What the watcher sees of it


WATCH = {"networks": json.dumps(CONFIG), "node": NODE, "ctid": "103", "seconds": "30"}


def looked(door: Proxmox, elapsed: float) -> Any:
    """The end that is seen after so many seconds; None if it is to be looked at again."""
    return Probe(door, None, patience=600.0)(WATCH, elapsed).end


def test_the_watcher_sees_the_address_that_comes(running: Simulator, door: Proxmox) -> None:
    running.set(running.pve, lease_secs=3600.0)
    assert looked(door, 1.0) is None, "the fixed one of eth1 is not that of eth0"
    running.set(running.pve, lease_secs=0.0)
    end = looked(door, 2.0)
    assert end["done"]
    assert [one["address"] for one in end["addresses"]] == ["10.64.0.105", "fd00:1::be24:11ff:fe00:1", "10.1.0.5"]


def test_temporary_and_link_local_addresses_are_not_what_is_waited_for(running: Simulator, door: Proxmox) -> None:
    running.set(running.pve, lease_secs=3600.0, more_addresses=("169.254.7.7/16", "fe80::7/64"))
    assert looked(door, 1.0) is None


@pytest.mark.parametrize(
    ("status", "why", "remedy"),
    [
        ("running", f"CT 103 on {NODE} runs, and got no address on eth0 (vmbr0) within 30 s", "answers on vmbr0"),
        ("stopped", "eth0 (vmbr0) within 30 s (wait_for_address): it does not run.", "`pct status 103`"),
    ],
)
def test_when_the_time_is_over_the_watcher_says_what_is_missing(
    running: Simulator, door: Proxmox, status: str, why: str, remedy: str
) -> None:
    running.set(running.pve, lease_secs=3600.0)
    running.set(running.pve.ct(103), status=status)
    assert looked(door, 30.0) is None
    error = looked(door, 30.1)["error"]
    assert error["cause"] == "no-address"
    assert why in error["message"]
    assert remedy in error["remedy"]


def test_who_may_not_look_is_not_kept_waiting(running: Simulator, door: Proxmox) -> None:
    running.do(running.pve.acl.__setitem__, TOKEN_ID, [])
    assert looked(door, 1.0)["error"]["cause"] == "proxmox-permission"


def test_a_proxmox_that_does_not_answer_is_asked_until_the_time_is_over(running: Simulator, door: Proxmox) -> None:
    running.set(running.pve, interfaces_fail="can't lock file '/run/lock/x' - got timeout")
    with pytest.raises(TransientError):
        looked(door, 29.0)
    assert looked(door, 31.0)["error"]["cause"] == "lock-timeout"
    running.set(running.pve, interfaces_fail="command 'nsenter -t 7 --net -- ip --json a' failed: exit code 1")
    assert looked(door, 29.0) is None
    error = looked(door, 31.0)["error"]
    assert error["message"].startswith("Unable to look for the addresses of CT 103")
