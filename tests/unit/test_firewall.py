from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_producer.contract import Change
from phoenix_worker.catalog.declaration import Firewall, FirewallRule
from phoenix_worker.core.differs.diff import diff
from phoenix_worker.core.differs.firewall import declared_rule, left_behind, rule_writes, shown_rule, wording
from phoenix_worker.core.model.firewall import Act, FirewallState, Rule, RuleWrite
from phoenix_worker.core.model.records import from_json, to_json
from tests.support.declared import DECLARED, FIREWALL, HTTPS, NET0, PING, seen
from tests.support.modelled_pve import ruled

if TYPE_CHECKING:
    from phoenix_worker.core.model.observation import Observation

AS_DECLARED = FirewallState(enabled=True, rules=(declared_rule(HTTPS), declared_rule(PING)))
OTHER: Rule = {"type": "in", "action": "ACCEPT", "enable": "1", "proto": "tcp", "dport": "22"}
DROP: Rule = {"type": "in", "action": "DROP", "enable": "1"}
WALLED = replace(DECLARED, firewall=FIREWALL)


RULES = st.lists(st.fixed_dictionaries({"action": st.sampled_from("ABCDE")}, optional={"log": st.just("info")}))


@given(RULES, RULES)
def test_the_requests_make_exactly_the_declared_rules_in_their_order(present: list[Rule], wanted: list[Rule]) -> None:
    writes = rule_writes(present, wanted)
    assert ruled(present, writes) == wanted
    assert bool(writes) is (present != wanted)


@given(RULES, RULES)
def test_a_rule_that_proxmox_refuses_leaves_all_that_stood_there(present: list[Rule], wanted: list[Rule]) -> None:
    writes = rule_writes(present, wanted)
    for count, write in enumerate(writes):
        if write.act in {Act.INSERT, Act.UPDATE}:
            left = iter(ruled(present, writes[:count]))
            assert all(rule in left for rule in present), "and in its order"


@given(RULES)
def test_where_there_are_none_each_rule_is_one_request(wanted: list[Rule]) -> None:
    assert [write.act for write in rule_writes([], wanted)] == [Act.INSERT] * len(wanted)


@pytest.mark.parametrize(
    ("wanted", "acts"),
    [
        ("abc", []),
        ("axc", ["update"]),
        ("ac", ["delete"]),
        ("", ["delete"] * 3),
        ("xabc", ["insert"]),
        ("abcx", ["insert", "move"]),
        ("axbc", ["insert", "move"]),
        ("xc", ["update", "delete"]),
        ("xyc", ["insert", "move", "insert", "move", "delete", "delete"]),
    ],
)
def test_what_is_right_is_left_alone(wanted: str, acts: list[str]) -> None:
    present = [{"action": one} for one in "abc"]
    assert [write.act for write in rule_writes(present, [{"action": one} for one in wanted])] == acts


def with_firewall(state: FirewallState | None, **config: str) -> Observation:
    return replace(seen(**({"net0": f"{NET0},firewall=1"} | config)), firewall=state)


def test_a_firewall_as_declared_needs_nothing() -> None:
    assert not diff(WALLED, with_firewall(AS_DECLARED))
    assert not diff(replace(DECLARED, firewall=None), with_firewall(replace(AS_DECLARED, enabled=False)))


def test_a_firewall_is_switched_on_and_the_interface_with_it() -> None:
    changes = diff(WALLED, with_firewall(FirewallState(enabled=False), net0=NET0))
    assert changes.firewall_on is True
    assert changes.put == {"net0": NET0.replace(",gw", ",firewall=1,gw")}
    assert [write.rule for write in changes.rules] == [declared_rule(PING), declared_rule(HTTPS)]
    assert changes.changes[1:] == (
        Change(key="firewall", old="off", new="on"),
        Change(key="firewall rule 0", new="IN ACCEPT -source 10.0.0.0/24 -p tcp -dport 80,443 # HTTPS from inside"),
        Change(key="firewall rule 1", new="IN ACCEPT -p icmp"),
    )


def test_a_firewall_is_switched_off_and_only_an_interface_that_has_one_is_told() -> None:
    off = replace(DECLARED, firewall=Firewall(enabled=False))
    changes = diff(off, with_firewall(AS_DECLARED))
    assert (changes.firewall_on, changes.rules) == (False, ())
    assert "firewall=0" in changes.put["net0"]
    for net0 in (NET0, f"{NET0},firewall=0"):
        assert not diff(off, with_firewall(replace(AS_DECLARED, enabled=False), net0=net0))


def test_rules_that_are_not_declared_stay_and_an_empty_list_takes_them_all() -> None:
    assert not diff(replace(DECLARED, firewall=Firewall(enabled=True)), with_firewall(AS_DECLARED))
    none = replace(DECLARED, firewall=Firewall(enabled=True, rules=()))
    assert [write.act for write in diff(none, with_firewall(AS_DECLARED)).rules] == ["delete", "delete"]


def test_what_a_refused_rule_leaves_behind_is_told() -> None:
    writes = diff(WALLED, with_firewall(FirewallState(enabled=True, rules=(OTHER, DROP)))).rules
    assert left_behind(writes[:0]) == "The firewall rules are as they were before."
    put = "Firewall rules written before this error, and kept"
    assert left_behind(writes[:2]) == f"{put}: IN ACCEPT -p icmp. Undeclared rules deleted: 0."
    assert left_behind(writes[:5]).endswith("-p icmp. Undeclared rules deleted: 1.")
    assert left_behind([RuleWrite(Act.DELETE)]) == f"{put}: none. Undeclared rules deleted: 1."


@pytest.mark.parametrize("wanted", [True, False])
def test_an_option_that_was_not_read_is_said(wanted: bool) -> None:
    declared = replace(DECLARED, firewall=Firewall(enabled=wanted))
    changes = diff(declared, with_firewall(FirewallState(enabled=None), net0=f"{NET0},firewall={wanted:d}"))
    assert changes
    assert (changes.firewall_on, changes.changes[0].old) == (wanted, None)


def test_what_was_not_looked_at_is_not_changed() -> None:
    assert not diff(WALLED, with_firewall(None))


def test_a_rule_as_proxmox_shows_it_is_the_declared_one() -> None:
    shown: dict[str, object] = {**declared_rule(HTTPS), "enable": 1, "pos": 3, "digest": "d", "ipversion": 4}
    assert shown_rule(shown | {"log": "nolog", "comment": "HTTPS from inside "}) == declared_rule(HTTPS)
    assert shown_rule(shown | {"log": "info"}) != declared_rule(HTTPS)
    assert shown_rule(shown | {"enable": 0}) != declared_rule(HTTPS)


def test_a_level_of_logging_is_declared_and_none_is_what_proxmox_shows() -> None:
    assert declared_rule(replace(HTTPS, log="info")) == declared_rule(HTTPS) | {"log": "info"}
    assert declared_rule(replace(HTTPS, log="nolog")) == declared_rule(HTTPS)


def test_rules_are_worded_as_in_proxmox_own_file() -> None:
    switched_off = {"type": "out", "action": "ACCEPT", "macro": "SSH", "enable": "0", "iface": "net0", "log": "info"}
    assert wording(switched_off) == "|OUT SSH(ACCEPT) -i net0 -log info"


POLICED = replace(WALLED, firewall=replace(FIREWALL, policy_in="ACCEPT", policy_out="ACCEPT"))


def test_only_a_policy_that_differs_is_set_and_told() -> None:
    changes = diff(POLICED, with_firewall(AS_DECLARED))
    assert changes
    assert (changes.policies, changes.firewall_on, changes.rules) == ({"policy_in": "ACCEPT"}, None, ())
    assert changes.changes == (Change(key="firewall policy_in", old="DROP", new="ACCEPT"),)
    assert not diff(POLICED, with_firewall(replace(AS_DECLARED, policies={"policy_in": "ACCEPT"})))
    assert not diff(WALLED, with_firewall(replace(AS_DECLARED, policies={"policy_in": "ACCEPT"})))


def test_policies_that_were_not_read_are_said() -> None:
    changes = diff(POLICED, with_firewall(replace(AS_DECLARED, enabled=None)))
    assert changes.policies == {"policy_in": "ACCEPT", "policy_out": "ACCEPT"}


def test_an_observation_keeps_them_in_the_journal() -> None:
    state = replace(AS_DECLARED, policies={"policy_in": "ACCEPT"})
    assert from_json(json.loads(json.dumps(to_json(with_firewall(state))))) == with_firewall(state)


def test_every_part_of_a_rule_is_as_proxmox_names_it() -> None:
    parts: dict[str, Any] = {
        "macro": "SSH",
        "iface": "net1",
        "source_port": "1024:65535",
        "icmp_type": "any",
        "enable": False,
    }
    rule = declared_rule(FirewallRule("in", "ACCEPT", **parts))
    names = {"macro": "SSH", "iface": "net1", "sport": "1024:65535", "icmp-type": "any", "enable": "0"}
    assert rule == {"type": "in", "action": "ACCEPT", **names}
    assert wording(rule) == "|IN SSH(ACCEPT) -i net1 -sport 1024:65535 -icmp-type any"
