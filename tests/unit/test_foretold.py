"""What a plan foretells without asking Proxmox: of a clone, of what is created, of what is configured."""

from __future__ import annotations

from dataclasses import replace

from phoenix_worker.catalog.declaration import Firewall
from phoenix_worker.core.model.firewall import FirewallState
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned.prediction import applied, created, inherited, unmade
from tests.support.declared import DECLARED, seen

RULES = ({"type": "in", "action": "ACCEPT"},)
WALL = FirewallState(enabled=True, rules=RULES, digest="d", policies={"policy_in": "REJECT"})


def test_a_clone_has_the_rules_of_its_template_and_not_its_switch() -> None:
    template = Observation(900, "pve2", Presence.HERE, {"rootfs": "zfs:base-900-disk-0,size=8G"}, firewall=WALL)
    clone = inherited(replace(DECLARED, storage=None), template)
    assert (clone.ctid, clone.node, clone.presence) == (103, "pve1", Presence.HERE)
    assert clone.firewall == FirewallState(None, RULES, policies={"policy_in": "REJECT"})
    assert clone.config["rootfs"] == "zfs:vm-103-disk-0,size=8G"
    assert inherited(DECLARED, replace(template, firewall=None)).firewall is None


def test_of_what_is_not_made_only_its_privileges_are_known() -> None:
    assert unmade(DECLARED) == Observation(103, "pve1", Presence.HERE, {"unprivileged": "1"})


def test_what_is_created_has_a_disk_and_no_order_for_one() -> None:
    made = created(replace(DECLARED, clone_from=None, os_template="local:vztmpl/x", disk_gb=None))
    assert "storage" not in made.config
    assert created(replace(DECLARED, clone_from=None, os_template="local:vztmpl/x")).config["rootfs"] == (
        "local-lvm:vm-103-disk-0,size=16G"
    )


def test_what_is_configured_has_grown_and_keeps_what_is_not_declared() -> None:
    declared = replace(DECLARED, disk_gb=32, firewall=Firewall(enabled=False, policy_out="DROP"))
    then = applied(declared, replace(seen(), firewall=WALL))
    assert then.config["rootfs"] == "local-lvm:vm-103-disk-0,size=32G"
    assert then.firewall is not None
    assert (then.firewall.enabled, then.firewall.rules) == (False, RULES)
    assert then.firewall.policies == {"policy_in": "REJECT", "policy_out": "DROP"}
