"""The API door to a container's firewall, against a Proxmox that keeps one as pve-firewall does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.actions.firewall_and_pool import change_surroundings
from phoenix_worker.catalog.declaration import Firewall
from phoenix_worker.core.differs.diff import diff
from phoenix_worker.core.differs.firewall import declared_rule, rule_writes
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.firewall import Act, FirewallState, Rule, RuleWrite
from phoenix_worker.core.model.ports import CloneOrder
from tests.support.declared import DECLARED, HTTPS, PING, seen
from tests.support.firewall_rules import ALIASES, IP_SETS, TAKEN
from tests.support.proxmox import NODE
from tests.unit.test_firewall_grammar import said

if TYPE_CHECKING:
    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator


def rules_of(letters: str) -> list[Rule]:
    """A rule for each letter; a capital has a comment and a protocol of its own."""
    plain = {"type": "in", "action": "DROP", "enable": "1"}
    return [
        plain | {"source": f"10.0.0.{ord(letter)}"} | ({"proto": "udp", "comment": "x"} if letter.isupper() else {})
        for letter in letters
    ]


def bring(door: Proxmox, letters: str, ctid: int = 103) -> FirewallState:
    present = door.firewall(NODE, ctid)
    for write in rule_writes(present.rules, rules_of(letters)):
        door.write_rule(NODE, ctid, write)
    return door.firewall(NODE, ctid)


def test_a_new_container_has_none_and_is_asked_in_two_calls(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    assert door.firewall(NODE, 103) == FirewallState(enabled=False)
    assert door.firewall(NODE, 103, option=False) == FirewallState(enabled=None)
    base = f"/nodes/{NODE}/lxc/103/firewall"
    assert simulator.calls() == [("GET", f"{base}/options"), *[("GET", f"{base}/rules")] * 2]


def test_a_firewall_goes_on_and_off(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    for on in (True, False):
        door.switch_firewall(NODE, 103, on=on)
        assert door.firewall(NODE, 103).enabled is on


def test_policies_are_set_alone_or_with_the_switch(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    door.switch_firewall(NODE, 103, policies={"policy_in": "ACCEPT"})
    assert door.firewall(NODE, 103) == FirewallState(enabled=False, policies={"policy_in": "ACCEPT"})
    door.switch_firewall(NODE, 103, on=True, policies={"policy_out": "DROP"})
    both = {"policy_in": "ACCEPT", "policy_out": "DROP"}
    assert door.firewall(NODE, 103) == FirewallState(enabled=True, policies=both)


def test_declared_rules_come_back_as_they_were_declared(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    for rule in (PING, HTTPS):
        door.write_rule(NODE, 103, RuleWrite(Act.INSERT, rule=declared_rule(rule)))
    assert door.firewall(NODE, 103).rules == (declared_rule(HTTPS), declared_rule(PING))


def test_whatever_may_be_declared_comes_back_as_it_was_sent(simulator: Simulator, door: Proxmox) -> None:
    datacenter = simulator.pve.firewall_config("cluster")
    simulator.do(datacenter["ipset"].update, {name: [] for name in IP_SETS})
    simulator.do(datacenter["aliases"].update, {name: {"name": name, "cidr": "fd00::9"} for name in ALIASES})
    simulator.do(simulator.pve.add_ct, 103)
    rules = tuple(declared_rule(rule) for rule in map(said, TAKEN) if rule is not None)
    assert len(rules) == len(TAKEN)
    for rule in reversed(rules):
        door.write_rule(NODE, 103, RuleWrite(Act.INSERT, rule=rule))
    assert door.firewall(NODE, 103).rules == rules


def test_any_rules_become_the_declared_ones(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    for letters in ("abc", "abcd", "aXbcd", "XYabd", "dba", "aBd", "abD", "", "ba"):
        assert list(bring(door, letters).rules) == rules_of(letters)


def test_a_stale_digest_changes_nothing(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    old = bring(door, "ab")
    now = bring(door, "abc")
    for write in (RuleWrite(Act.DELETE, 0), RuleWrite(Act.UPDATE, 0, {"comment": "y"}), RuleWrite(Act.MOVE, 2)):
        with pytest.raises(TransientError) as refused:
            door.write_rule(NODE, 103, write, digest=old.digest)
        assert refused.value.cause == "stale-digest"
    assert door.firewall(NODE, 103) == now
    door.write_rule(NODE, 103, RuleWrite(Act.DELETE, 2), digest=now.digest)
    assert list(door.firewall(NODE, 103).rules) == rules_of("ab")


def test_a_clone_has_the_firewall_of_its_template_and_a_destroyed_container_leaves_none(
    simulator: Simulator, door: Proxmox
) -> None:
    simulator.add_template(900)
    bring(door, "ab", 900)
    door.switch_firewall(NODE, 900, on=True)
    order = CloneOrder(NODE, 900, 103, "ct103", "", full=True)
    simulator.end_of(door, door.clone(order))
    assert replace(door.firewall(NODE, 103), digest="") == FirewallState(enabled=True, rules=tuple(rules_of("ab")))
    simulator.end_of(door, door.destroy(NODE, 103))
    assert door.firewall(NODE, 103) == FirewallState(enabled=False)


def test_a_rule_that_proxmox_refuses_is_told_in_its_words(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    with pytest.raises(PermanentError, match=r"^Unable to insert the firewall rule 0 of CT 103 on pve1: .*no such ips"):
        door.write_rule(NODE, 103, RuleWrite(Act.INSERT, rule=rules_of("a")[0] | {"source": "+office"}))


def test_what_somebody_else_adds_meanwhile_is_not_taken_away_with_ours(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    before = bring(door, "a")
    refused = replace(PING, source="+office")
    declared = replace(DECLARED, node=NODE, firewall=Firewall(enabled=True, rules=(refused, PING, HTTPS)))
    observed = replace(seen(), node=NODE, firewall=before)
    changes = diff(declared, observed)
    door.write_rule(NODE, 103, RuleWrite(Act.INSERT, rule=rules_of("x")[0]))
    with pytest.raises(PermanentError, match=r"written before this error, and kept: .+ Undeclared rules deleted: 0\."):
        change_surroundings(door, declared, observed, changes, new=False)
    left = door.firewall(NODE, 103).rules
    assert all(rule in left for rule in rules_of("xa"))
