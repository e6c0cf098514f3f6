"""Whatever differs is told, each with what was and what will be, and what was left alone is told in whole sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from phoenix_producer.contract import Change
from phoenix_worker.catalog.declaration import Network, Script, Volume
from phoenix_worker.catalog.host_parts import BindMount
from phoenix_worker.core.differs import mount_order, raw_lines, volumes
from phoenix_worker.core.differs.diff import diff
from phoenix_worker.core.differs.firewall import declared_rule, left_behind, rule_writes
from phoenix_worker.core.differs.root_only import root_diff
from phoenix_worker.core.differs.scripts import out_of_reach, with_contents
from phoenix_worker.core.differs.undeclared import undeclared
from phoenix_worker.core.model.firewall import Act, FirewallState, RuleWrite
from phoenix_worker.core.model.marker import Stage, write_marker
from tests.support.declared import DECLARED, FIREWALL, HTTPS, MARKER, NET0, PING, seen
from tests.support.refusing import Refusal, refusal_of
from tests.unit.test_root_only import DECLARATIONS, observations

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


@given(DECLARATIONS, observations())
def test_what_root_changes_is_told_with_what_was(wanted: Declaration, there: Observation) -> None:
    found = root_diff(wanted, there)
    lines = raw_lines.by_key(raw_lines.present(there.config))
    was_and_will: list[tuple[str, str | None, str | None]] = []
    was_and_will += [(key, there.config.get(key), value) for key, value in found.put.items()]
    was_and_will += [(key, there.config[key], None) for key in found.delete]
    was_and_will += [(key, " | ".join(lines.get(key, ())) or None, " | ".join(raw)) for key, raw in found.raw.items()]
    assert [(one.key, one.old, one.new) for one in found.changes] == was_and_will
    assert bool(found) is bool(was_and_will)


def test_a_group_without_an_id_on_the_node_is_told() -> None:
    wanted = replace(DECLARED, bind_mounts=(BindMount("/tank", "/srv", owner_gid=70000),))
    assert refusal_of(lambda: root_diff(wanted, seen(unprivileged="1"))) == Refusal(
        "Unable to configure CT 103 on pve1: /tank should be owned by the group 70000 of the container, and its "
        "id_maps map this to no id on the node.",
        "no-such-id",
        "Map 70000 in id_maps, or declare another owner.",
    )


def test_all_parts_of_a_difference_are_told_in_their_order() -> None:
    off = replace(FIREWALL, enabled=False, rules=(HTTPS, PING), policy_in="ACCEPT")
    wanted = replace(DECLARED, firewall=off, pool="web", description="New.", hookscript="local:snippets/a.sh")
    there = replace(
        seen(memory="512", rootfs="local-lvm:vm-103-disk-0,size=8G", net0=f"{NET0},firewall=0"),
        firewall=FirewallState(enabled=True, rules=(declared_rule(HTTPS), declared_rule(HTTPS))),
        pool="lab",
    )
    changes = diff(wanted, there).changes
    assert [one.key for one in changes] == [
        "hookscript", "memory", "description", "rootfs", "firewall", "firewall policy_in", "firewall rule 1", "pool",
    ]  # fmt: skip
    assert [(one.old, one.new) for one in changes if one.key != "description"] == [
        (None, "local:snippets/a.sh"),
        ("512", "1024"),
        ("8G", "16G"),
        ("on", "off"),
        ("DROP", "ACCEPT"),
        ("IN ACCEPT -source 10.0.0.0/24 -p tcp -dport 80,443 # HTTPS from inside", "IN ACCEPT -p icmp"),
        ("lab", "web"),
    ]


def test_notes_of_somebody_else_are_told_with_what_they_become() -> None:
    theirs = seen(description="Mine.\n")
    changes = diff(DECLARED, theirs)
    assert changes.changes[-1] == Change(key="description", old="Mine.", new=changes.put["description"])


def test_a_rule_that_changes_loses_what_is_declared_no_more() -> None:
    rule = declared_rule(PING)
    assert rule_writes([rule | {"log": "info", "comment": "x"}], [rule]) == (
        RuleWrite(Act.UPDATE, 0, rule, ("comment", "log")),
    )
    done = [RuleWrite(Act.INSERT, rule=declared_rule(HTTPS)), RuleWrite(Act.INSERT, rule=rule)]
    assert "kept: IN ACCEPT -p icmp; IN ACCEPT -source" in left_behind(done)


@pytest.mark.parametrize(
    ("network", "parts"),
    [
        (Network("vmbr1", name="eth1", mac="52:54:00:00:00:0a"), "hwaddr=52:54:00:00:00:0A"),
        (Network("vmbr1", name="eth1", rate=12.5), "rate=12.5"),
        (Network("vmbr1", name="eth1", rate=100.0), "rate=100"),
        (Network("vmbr1", name="eth1", rate=0.25), "rate=0.25"),
        (Network("vmbr1", name="eth1", trunks=(5, 20)), "trunks=5;20"),
    ],
)
def test_parts_of_an_interface_are_as_proxmox_writes_them(network: Network, parts: str) -> None:
    wanted = replace(DECLARED, more_networks=(network,))
    (net1,) = diff(wanted, seen()).put.values()
    assert net1 == f"name=eth1,bridge=vmbr1,{parts},type=veth"
    for same in (net1, net1.replace("rate=12.5", "rate=12.500").replace("5;20", "20;5")):
        assert not diff(wanted, seen(net1=same))
    if network.rate:
        assert diff(wanted, seen(net1=net1.replace("rate=", "rate=1"))).put == {"net1": net1}


@pytest.mark.parametrize(
    ("fields", "present", "put"),
    [
        ({"boot_down_delay": 9}, {}, {"startup": "order=1,down=9,up=5"}),
        ({"boot_order": None, "boot_delay": None}, {"startup": "up=7"}, {}),
        ({"features": ("nesting=1", "fuse=1")}, {}, {"features": "fuse=1,nesting=1"}),
        ({"options": (("env", "A=b=c"),)}, {"env": "A=b"}, {"env": "A=b=c"}),
        ({"tags": ("ca", "Infra")}, {"tags": " ;ca;infra;phoenix,"}, {}),
    ],
)
def test_what_is_declared_of_a_value_is_set_in_it(
    fields: dict[str, Any], present: dict[str, str], put: dict[str, str]
) -> None:
    assert diff(replace(DECLARED, **fields), seen(**present)).put == put


@pytest.mark.parametrize(("stage", "protected", "put"), [(Stage.MADE, "1", "0"), (Stage.CONFIGURED, "1", None)])
def test_a_new_clone_loses_the_protection_of_its_template(stage: Stage, protected: str, put: str | None) -> None:
    notes = write_marker(replace(MARKER, stage=stage), "The CA.")
    assert diff(DECLARED, seen(protection=protected, description=notes)).put.get("protection") == put


def test_a_firewall_that_nobody_declares_is_told_whole() -> None:
    there = seen(net0=f"{NET0},firewall=1", description=write_marker(replace(MARKER, declaration="h0")))
    whole = (
        "CT 103 has `firewall=1` at net0, and the catalog declares no firewall for it. Its firewall is left as it is.",
    )
    assert undeclared(DECLARED, there) == whole
    second = replace(DECLARED, more_networks=(Network("vmbr1", name="eth1", firewall=True),))
    assert undeclared(second, there) == whole, "that is of another interface"


SCRIPT = Script("app", "/root/app.sh", "00ff", on_node=True)
KEYS = Script("ssh keys", "", "a1", "x", given="ssh-ed25519 AAAA\n")


def test_a_script_on_the_node_is_known_by_its_content_too() -> None:
    inside = Script("base", "base.sh", "b1", "x")
    wanted = replace(DECLARED, scripts=(inside, SCRIPT))
    read = with_contents(wanted, {"/root/app.sh": "0f0f1234"})
    assert read == replace(wanted, scripts=(inside, replace(SCRIPT, hash="0ff0", sha256="0f0f1234")))


def test_who_may_log_in_is_out_of_reach_without_shell_access_only_where_no_template_has_it() -> None:
    root = replace(DECLARED, clone_from=None, os_template="local:vztmpl/x", access=(KEYS,))
    assert out_of_reach(root, None) == ("ssh keys",)
    assert out_of_reach(replace(root, clone_from=900), None) == ()
    assert out_of_reach(replace(root, scripts=(KEYS,)), None) == ()


def test_all_that_cannot_be_had_of_volumes_is_told() -> None:
    wanted = [Volume("tank", 8, "/new"), Volume("tank", 8, "/a"), Volume("tank", 8, "/b")]
    there = {"mp0": "fast:vm-103-disk-1,mp=/a,size=8G", "mp1": "tank:vm-103-disk-2,mp=/b,size=9G"}
    assert list(volumes.unchangeable(wanted, there)) == [
        "its volume /a is on fast, the catalog declares tank, and disks are not moved",
        "its volume /b is 9 GiB, the catalog declares 8 GiB, and a disk cannot shrink",
    ]


def test_what_hides_what_is_told_only_of_what_is_declared() -> None:
    mounts = {"mp0": "tank:a,mp=/srv/data/x", "mp1": "tank:b,mp=/srv/data", "mp2": "tank:c,mp=/other"}
    other = replace(DECLARED, volumes=(Volume("tank", 8, "/other"),))
    assert list(mount_order.hidden(other, mounts)) == []
    before = {"mp0": "tank:a,mp=/srv/z", "mp1": "tank:b,mp=/srv/a"}
    outer = replace(DECLARED, volumes=(Volume("tank", 8, "/srv"),))
    assert list(mount_order.hidden(outer, before)) == [
        "/srv is not mounted: no number before mp0 is left, and it would hide /srv/z there"
    ]


@pytest.mark.parametrize(
    ("options", "present", "changes"),
    [
        ((("ro", "0"),), "", False),
        ((("ro", "0"),), ",ro=1", True),
        ((("ro", "1"),), "", True),
        ((("replicate", "1"),), "", False),
        ((("acl", "1"),), "", True),
        ((("mountoptions", "nodev;noatime"),), ",mountoptions=noatime;nodev", False),
        ((("mountoptions", ""),), "", False),
    ],
)
def test_an_option_of_a_mount_that_is_so_anyhow_is_no_change(
    options: tuple[tuple[str, str], ...], present: str, *, changes: bool
) -> None:
    wanted = replace(DECLARED, bind_mounts=(BindMount("/tank", "/srv", options=options),))
    assert bool(root_diff(wanted, seen(mp0=f"/tank,mp=/srv{present}")).put) is changes
