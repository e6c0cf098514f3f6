"""What a plan foretells without asking Proxmox: of a clone, of what is created, of what is configured."""

from __future__ import annotations

from dataclasses import replace

from phoenix_worker.catalog.declaration import Firewall, Volume
from phoenix_worker.core.model.firewall import FirewallState
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned.prediction import applied, created, inherited, unmade
from tests.support.declared import DECLARED, seen

RULES = ({"type": "in", "action": "ACCEPT"},)
VOLUME = Volume("local-lvm", 0.5, "/data")
WALL = FirewallState(enabled=True, rules=RULES, digest="d", policies={"policy_in": "REJECT"})


def test_a_clone_has_the_rules_of_its_template_and_not_its_switch() -> None:
    template = Observation(900, "pve2", Presence.HERE, {"rootfs": "zfs:base-900-disk-0,size=8G"}, firewall=WALL)
    clone = inherited(replace(DECLARED, storage=None), template)
    assert (clone.ctid, clone.node, clone.presence) == (103, "pve1", Presence.HERE)
    assert clone.firewall == FirewallState(None, RULES, policies={"policy_in": "REJECT"})
    assert clone.config["rootfs"] == "zfs:vm-103-disk-0,size=8G"
    assert inherited(DECLARED, replace(template, firewall=None)).firewall is None
    assert inherited(DECLARED, replace(template, tags_keep_case=True)).tags_keep_case


def test_of_what_is_not_made_only_its_privileges_are_known() -> None:
    assert unmade(DECLARED) == Observation(103, "pve1", Presence.HERE, {"unprivileged": "1"})


def test_what_is_created_has_a_disk_and_no_order_for_one() -> None:
    made = created(replace(DECLARED, clone_from=None, os_template="local:vztmpl/x", disk_gb=None))
    assert "storage" not in made.config
    assert created(replace(DECLARED, clone_from=None, os_template="local:vztmpl/x")).config["rootfs"] == (
        "local-lvm:vm-103-disk-0,size=16G"
    )
    large = replace(DECLARED, clone_from=None, os_template="local:vztmpl/x", disk_gb=1024, volumes=(VOLUME,))
    assert created(large).config["rootfs"].endswith(",size=1T"), "as Proxmox shows it"
    assert created(large).config["mp0"].endswith(",mp=/data,size=512M")
    assert applied(replace(large, disk_gb=2048), created(large)).config["rootfs"].endswith(",size=2T")


def test_what_is_configured_has_grown_and_keeps_what_is_not_declared() -> None:
    declared = replace(DECLARED, disk_gb=32, firewall=Firewall(enabled=False, policy_out="DROP"))
    then = applied(declared, replace(seen(), firewall=WALL))
    assert then.config["rootfs"] == "local-lvm:vm-103-disk-0,size=32G"
    assert then.firewall is not None
    assert (then.firewall.enabled, then.firewall.rules) == (False, RULES)
    assert then.firewall.policies == {"policy_in": "REJECT", "policy_out": "DROP"}
