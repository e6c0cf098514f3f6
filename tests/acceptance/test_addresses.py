"""Where a container can be reached: told by an ensure and by a status, and waited for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.scenes import done, refused
from tests.acceptance.test_converging import redeclare
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer import EnsureResult, Standing
    from tests.support.product import Product

DHCP = {"bridge": "vmbr0", "ip": "dhcp"}
NEVER = 3600.0
LEASE_OF_103, LEASE_OF_104 = "eth0 10.64.0.105/16", "eth0 10.64.0.106/16"


def told(answer: EnsureResult | Standing) -> list[str]:
    return [f"{one.interface} {one.address}/{one.prefix}" for one in answer.addresses]


def leases_after(product: Product, seconds: float) -> None:
    product.simulator.set(product.simulator.pve, lease_secs=seconds)


def looks_for_addresses(product: Product, ctid: int) -> int:
    return Counter(product.calls())["GET", f"/nodes/{NODE}/lxc/{ctid}/interfaces"]


def is_parked(product: Product) -> bool:
    return bool(product.redis.hget("phoenix:parked", "address") == "1")


def declare(product: Product, **more: Any) -> None:
    """103 and 104 get their addresses by DHCP, 105 has its own; 106 inherits that DHCP is to be asked."""
    own = {"network_config": DHCP, **more}
    created = container(105, None, template=OS_TEMPLATE)
    inheriting = container(106)
    del inheriting["network_config"], inheriting["mac_address"]
    product.declare(
        {900: template(network_config=DHCP), 103: container(103, **own), 104: container(104, **own), 105: created}
        | {106: inheriting}
    )


def test_addresses_are_told_as_they_are_just_now(product: Product) -> None:
    declare(product)
    leases_after(product, NEVER)
    product.start_worker()
    results = product.producer.ensure_many([103, 105, 106]).wait(timeout=60)
    assert [told(result) for result in results] == [[], ["eth0 10.0.0.107/16"], []]
    assert [looks_for_addresses(product, ctid) for ctid in (103, 105, 106)] == [1, 0, 1]
    assert told(product.ensure(900)) == [], "it never runs"
    leases_after(product, 0.0)
    assert told(product.ensure(103)) == [LEASE_OF_103]
    standings = product.producer.status([103, 104, 105]).wait(timeout=60)
    assert [told(one) for one in standings] == [[LEASE_OF_103], [], ["eth0 10.0.0.107/16"]]
    asked = looks_for_addresses(product, 103)
    stopped = product.ensure(103, state="stopped")
    assert (done(stopped), told(stopped)) == ([("stop", 103)], [])
    assert looks_for_addresses(product, 103) == asked, "what does not run is not asked"
    assert told(product.ensure(103)) == [LEASE_OF_103], "started again"
    assert looks_for_addresses(product, 105) == 0


def test_what_cannot_be_asked_for_addresses_is_ensured_all_the_same(product: Product) -> None:
    declare(product)
    product.start_worker()
    product.ensure(103)
    product.simulator.set(product.simulator.pve, interfaces_fail="command 'nsenter -t 7 --net -- ip a' failed")
    result = product.ensure(103)
    assert (result.outcome, told(result)) == ("unchanged", [])
    (warning,) = result.warnings
    assert warning.startswith(f"Unable to look for the addresses of CT 103 on {NODE}: command 'nsenter")
    assert warning.endswith("Addresses of CT 103 may be missing here.")
    (standing,) = product.producer.status([103]).wait(timeout=60)
    assert (standing.exists, standing.addresses, standing.warnings) == ("container", (), (warning,))


def test_an_address_is_waited_for_without_a_slot(product: Product) -> None:
    declare(product)
    leases_after(product, NEVER)
    product.start_worker()
    handle = product.producer.ensure(103, wait_for_address=600)
    wait_for(lambda: is_parked(product))
    assert product.status(103) == "running"
    leases_after(product, 0.0)
    result = handle.wait(timeout=60)
    assert (result.outcome, told(result)) == ("created", [LEASE_OF_103])
    asked = looks_for_addresses(product, 103)
    again = product.ensure(103, wait_for_address=600)
    assert (again.outcome, told(again)) == ("unchanged", [LEASE_OF_103])
    assert looks_for_addresses(product, 103) == asked + 1, "what is there is not waited for"
    fixed = product.ensure(105, wait_for_address=1)
    assert (told(fixed), looks_for_addresses(product, 105)) == (["eth0 10.0.0.107/16"], 0)


def test_an_address_that_does_not_come_in_time_is_a_failure_once(product: Product) -> None:
    declare(product, wait_for_address=1)
    leases_after(product, NEVER)
    product.start_worker()
    lines = product.ensure(103, dry_run=True).plan
    assert lines[-1] == f"verify CT 103 on {NODE}: as declared and with an address (within 1 s)"
    failure = refused(product, 103)
    assert failure.cause == "no-address"
    assert (
        failure.message == f"CT 103 on {NODE} runs, and got no address on eth0 (vmbr0) within 1 s (wait_for_address)."
    )
    assert "answers on vmbr0" in failure.remedy
    assert f"on {NODE} what `pct exec 103 -- ip addr` shows" in failure.remedy
    assert product.status(103) == "running"
    assert refused(product, 103).cause == "no-address", "the next one waits again"
    redeclare(product, 103, wait_for_address=600)
    leases_after(product, 0.0)
    result = product.ensure(103)
    assert (result.outcome, told(result)) == ("unchanged", [LEASE_OF_103]), "it is no property of the container"
    never = refused(product, 103, state="stopped", wait_for_address=5)
    assert (never.cause, product.status(103)) == ("wait-while-stopped", "running")
    stopped = product.ensure(103, state="stopped")
    assert stopped.outcome == "updated", "the catalog's seconds are for when it runs"


@pytest.mark.crash
def test_a_worker_that_dies_while_an_address_is_waited_for_is_replaced(product: Product) -> None:
    declare(product)
    leases_after(product, NEVER)
    doomed = product.start_worker("w1")
    handle = product.producer.ensure(104, wait_for_address=600)
    wait_for(lambda: is_parked(product))
    looked = looks_for_addresses(product, 104)
    doomed.kill()
    product.start_worker("w2")
    wait_for(lambda: looks_for_addresses(product, 104) > looked + 1)
    assert is_parked(product)
    assert not handle.done()
    leases_after(product, 0.0)
    result = handle.wait(timeout=60)
    assert (result.outcome, told(result)) == ("created", [LEASE_OF_104])
    assert [one.kind for one in product.simulator.intervals("vzstart")] == ["vzstart"]
