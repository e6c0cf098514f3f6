"""A container's firewall: what its rules are, and the fewest requests that make them those of the catalog.

Proxmox has four: a new rule goes to the top, whatever its position was to be; one can be moved, changed in its place,
or deleted (pve-firewall, `PVE/API2/Firewall/Rules.pm`). So the rules are gone through from the last to the first, and
the positions of those before stay what they were. Proxmox may refuse a rule: what is new comes first, behind what it
replaces, and nothing that stood there is lost until all of it was taken. What was put in before a refusal is taken away
again.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import zip_longest
from typing import TYPE_CHECKING

from phoenix_producer.contract import Change
from phoenix_worker.core.model.firewall import DEFAULT_POLICIES, Act, FirewallState, Rule, RuleWrite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phoenix_worker.catalog.declaration import Firewall, FirewallRule

_FLAGS = (("iface", "-i"), ("source", "-source"), ("dest", "-dest"), ("proto", "-p"), ("dport", "-dport"))
_OTHER_FLAGS = (("sport", "-sport"), ("icmp-type", "-icmp-type"), ("log", "-log"))


def declared_rule(rule: FirewallRule) -> Rule:
    """Return a declared rule as Proxmox shows it."""
    parts = {
        "type": rule.type,
        "action": rule.action,
        "enable": str(int(rule.enable)),
        "macro": rule.macro,
        "iface": rule.iface,
        "sport": "00" if rule.source_port == "0" else rule.source_port,
        "icmp-type": rule.icmp_type,
        "proto": rule.proto,
        "source": rule.source,
        "dest": rule.dest,
        # Perl takes "0" for nothing: Proxmox would write down a rule without it, which is for every port.
        "dport": "00" if rule.port == "0" else rule.port,
        "log": None if rule.log == "nolog" else rule.log,
        "comment": rule.comment,
    }
    return {name: value for name, value in parts.items() if value}


def shown_rule(entry: dict[str, object]) -> Rule:
    """Return a rule of `GET …/firewall/rules` without what is no part of it, or says nothing."""
    rule = {name: str(value).strip() for name, value in entry.items() if name not in {"pos", "digest", "ipversion"}}
    return {name: value for name, value in rule.items() if value and (name, value) != ("log", "nolog")}


def rule_writes(present: Sequence[Rule], wanted: Sequence[Rule]) -> tuple[RuleWrite, ...]:
    """Work out the requests that make of `present` exactly `wanted`; none when they are equal."""
    return tuple(_writes(present, wanted))


def _writes(present: Sequence[Rule], wanted: Sequence[Rule]) -> Iterator[RuleWrite]:
    differences = _differences(present, wanted)
    gone = [position for first, end, _, _ in differences for position in range(first, end)]
    new = [(first, end, index) for first, end, *of_new in differences for index in range(*of_new)]
    if len(new) == 1 and new[0][0] in gone:
        (position, _, index), new = new[0], []
        drop = tuple(sorted(present[position].keys() - wanted[index].keys()))
        yield RuleWrite(Act.UPDATE, position, wanted[index], drop)
        gone.remove(position)
    for _, end, index in reversed(new):
        yield RuleWrite(Act.INSERT, rule=wanted[index])
        if end:
            yield RuleWrite(Act.MOVE, end + 1)
    for position in reversed(gone):
        yield RuleWrite(Act.DELETE, position + sum(end <= position for _, end, _ in new))


def _differences(present: Sequence[Rule], wanted: Sequence[Rule]) -> list[tuple[int, int, int, int]]:
    """Return the stretches of both that differ, as difflib counts them."""
    old, new = ([tuple(sorted(rule.items())) for rule in rules] for rules in (present, wanted))
    opcodes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [(first, end, new_first, new_end) for tag, first, end, new_first, new_end in opcodes if tag != "equal"]


def firewall_writes(declared: Firewall | None, present: FirewallState | None) -> tuple[RuleWrite, ...]:
    """Work out the requests for the rules; none when no rules are declared, or they were not looked at."""
    if declared is None or declared.rules is None or present is None:
        return ()
    return rule_writes(present.rules, [declared_rule(rule) for rule in declared.rules])


def left_behind(done: Sequence[RuleWrite]) -> str:
    """Tell what became of the rules when no more than these requests were carried out."""
    if not done:
        return "The firewall rules are as they were before."
    new = "; ".join(reversed([wording(write.rule) for write in done if write.rule is not None])) or "none"
    deleted = sum(write.act is Act.DELETE for write in done)
    return f"Firewall rules written before this error, and kept: {new}. Undeclared rules deleted: {deleted}."


def switch(declared: Firewall | None, present: FirewallState | None) -> bool | None:
    """Return whether the firewall has to be switched on, or off; None when it is as declared."""
    if declared is None or present is None or declared.enabled is present.enabled:
        return None
    return declared.enabled


def policy_writes(declared: Firewall | None, present: FirewallState | None) -> dict[str, str]:
    """Return the policies that have to be set: those that are declared and otherwise, or were not looked at."""
    if declared is None or present is None:
        return {}
    shown = _policies(present)
    return {name: policy for name, policy in declared.policies.items() if shown.get(name) != policy}


def _policies(present: FirewallState) -> dict[str, str]:
    """Return the policies in force; none when it was not asked."""
    return {} if present.enabled is None else DEFAULT_POLICIES | present.policies


def told(declared: Firewall | None, present: FirewallState | None) -> Iterator[Change]:
    """Tell what changes: the switch, the policies, and each rule that differs, as it stands in Proxmox's file."""
    if declared is None or present is None:
        return
    if switch(declared, present) is not None:
        old = None if present.enabled is None else _on_or_off(on=present.enabled)
        yield Change(key="firewall", old=old, new=_on_or_off(on=declared.enabled))
    for name, policy in policy_writes(declared, present).items():
        yield Change(key=f"firewall {name}", old=_policies(present).get(name), new=policy)
    if declared.rules is None:
        return
    wanted = [declared_rule(rule) for rule in declared.rules]
    for first, end, new_first, new_end in _differences(present.rules, wanted):
        pairs = zip_longest(present.rules[first:end], wanted[new_first:new_end])
        for position, (before, after) in enumerate(pairs, new_first):
            words = {"old": before and wording(before), "new": after and wording(after)}
            yield Change(key=f"firewall rule {position}", **words)


def _on_or_off(*, on: bool) -> str:
    return "on" if on else "off"


def wording(rule: Rule) -> str:
    """Write a rule as it stands in `/etc/pve/firewall/CTID.fw`; a rule that is switched off begins with `|`."""
    what = f"{rule['macro']}({rule['action']})" if "macro" in rule else rule["action"]
    flags = [f"{flag} {rule[name]}" for name, flag in (*_FLAGS, *_OTHER_FLAGS) if name in rule]
    comment = [f"# {rule['comment']}"] if "comment" in rule else []
    off = "" if rule.get("enable") == "1" else "|"
    return " ".join([f"{off}{rule['type'].upper()}", what, *flags, *comment])
