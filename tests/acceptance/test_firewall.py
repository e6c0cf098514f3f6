"""The firewall of a container is exactly the declared one, at the price of the requests that this takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fakepve.shapes import PRIVILEGES

from tests.acceptance.scenes import done, refused
from tests.acceptance.test_call_budget import NEW, UNCHANGED, calls_for
from tests.acceptance.test_converging import redeclare
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.proxmox import TOKEN_ID

if TYPE_CHECKING:
    from tests.support.product import Product

WEB = {"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "80,443", "source": "10.0.0.0/16", "comment": "Web ✓"}
SSH = {"type": "in", "action": "ACCEPT", "proto": "tcp", "port": 22}
PING = {"type": "in", "action": "ACCEPT", "proto": "icmp"}
OUT = {"type": "out", "action": "DROP", "dest": "10.0.0.9", "comment": "never"}


def walled(*rules: dict[str, Any], enabled: bool = True) -> dict[str, Any]:
    return {"enabled": enabled, "rules": list(rules)}


def firewall_of(product: Product, ctid: int) -> tuple[bool, list[str]]:
    """Whether it is on, and its rules by port or destination, in order; all of them have to be in force."""
    kept = product.simulator.pve.firewall_config("ct", vmid=ctid)
    assert all(rule["enable"] == 1 for rule in kept["rules"])
    shown = [str(rule.get("dport") or rule.get("dest") or rule["proto"]) for rule in kept["rules"]]
    return kept["options"].get("enable") == 1, shown


def test_a_container_gets_exactly_the_declared_firewall_and_nothing_is_written_twice(product: Product) -> None:
    own = container(104, None, template=OS_TEMPLATE, firewall=walled(WEB, SSH))
    product.declare(
        {
            900: template(firewall=walled(PING, OUT)),
            901: template(901),
            102: container(102, 901),
            103: container(103, 901, firewall=walled(WEB, SSH, OUT)),
            104: own,
            105: container(105, firewall=walled(OUT, WEB)),
            106: container(106),
        }
    )
    product.start_worker()
    product.ensure(900)
    product.ensure(102)

    new = calls_for(product, 103)
    assert new.total() <= NEW + 2 + 3, new
    created = calls_for(product, 104)
    assert created.total() <= NEW + 2 + 2, created
    assert firewall_of(product, 103) == (True, ["80,443", "22", "10.0.0.9"])
    assert "firewall=1" in product.config(103)["net0"]
    assert firewall_of(product, 104) == (True, ["80,443", "22"])
    for ctid in (103, 104):
        written = len(product.writes())
        looks = calls_for(product, ctid)
        assert looks.total() <= UNCHANGED + 2, looks
        assert len(product.writes()) == written

    assert firewall_of(product, 900) == (True, ["icmp", "10.0.0.9"])
    product.ensure(105)
    assert firewall_of(product, 105) == (True, ["10.0.0.9", "80,443"]), "what it has from its template is gone"
    product.ensure(106)
    assert firewall_of(product, 106) == (True, ["icmp", "10.0.0.9"]), "nothing is declared: as its template"

    redeclare(product, 103, firewall=walled(WEB, PING, SSH))
    foretold = product.producer.plan(103).wait(timeout=60).lines
    assert "firewall rule 1 unset → IN ACCEPT -p icmp" in foretold[0]
    assert [standing.differs for standing in product.producer.status([103]).wait(timeout=60)] == [("firewall",)]
    result = product.ensure(103)
    assert done(result) == [("configure", 103)]
    assert {change.key: (change.old, change.new) for change in result.changes} == {
        "firewall rule 1": (None, "IN ACCEPT -p icmp"),
        "firewall rule 3": ("OUT DROP -dest 10.0.0.9 # never", None),
    }
    assert firewall_of(product, 103) == (True, ["80,443", "icmp", "22"])
    rules = product.simulator.pve.firewall_config("ct", vmid=103)["rules"]
    product.simulator.do(rules.reverse)
    product.simulator.do(rules[0].update, {"enable": 0})
    assert product.ensure(103).outcome == "updated", "somebody meddled"
    assert firewall_of(product, 103) == (True, ["80,443", "icmp", "22"])
    redeclare(product, 103, firewall=walled(enabled=False))
    assert product.ensure(103).outcome == "updated"
    assert firewall_of(product, 103) == (False, [])
    assert product.ensure(103).outcome == "unchanged"


def unforeseen(product: Product) -> None:
    """The token may not see what the datacenter has by name."""
    grants = [("/", set(PRIVILEGES) - {"Sys.Audit"})]
    product.simulator.do(product.simulator.pve.acl.__setitem__, TOKEN_ID, grants)


def test_a_rule_that_proxmox_refuses_fails_before_anything_is_marked_as_done(product: Product) -> None:
    unforeseen(product)
    product.declare({900: template(), 103: container(103, firewall=walled(PING, {**SSH, "source": "+office"}))})
    product.start_worker()
    failure = refused(product, 103)
    assert failure.cause == "bad-parameter"
    assert "no such ipset 'office'" in failure.message
    assert product.status(103) == "stopped", "a container without its firewall is not started"
    redeclare(product, 103, firewall=walled(PING, SSH))
    assert done(product.ensure(103)) == [("configure", 103), ("start", 103)]
    assert firewall_of(product, 103) == (True, ["icmp", "22"])

    redeclare(product, 103, firewall=walled({**SSH, "source": "+office"}, OUT, WEB))
    failure = refused(product, 103)
    assert failure.message.endswith("The firewall rules are as they were before.")
    assert firewall_of(product, 103) == (True, ["icmp", "22"]), "what it had, it has, and no half of the new"
    product.simulator.do(product.simulator.pve.firewall_config("cluster")["ipset"].update, {"office": []})
    assert product.ensure(103).outcome == "updated"
    assert firewall_of(product, 103) == (True, ["22", "10.0.0.9", "80,443"])


def test_a_new_container_whose_rules_are_refused_has_none_of_them(product: Product) -> None:
    unforeseen(product)
    product.declare({900: template(), 103: container(103, firewall=walled({**SSH, "source": "+office"}, PING, WEB))})
    product.start_worker()
    failure = refused(product, 103)
    assert "no such ipset 'office'" in failure.message
    assert firewall_of(product, 103) == (False, [])
    assert product.status(103) == "stopped", "a container without its firewall is not started"
