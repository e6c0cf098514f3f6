from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_worker.catalog.declaration import Declaration, HaResource, Network, Role, Volume
from phoenix_worker.core.allowed.ownership import judge
from phoenix_worker.core.differs.diff import diff
from phoenix_worker.core.differs.firewall import declared_rule
from phoenix_worker.core.differs.unchangeable import needs_rebuild
from phoenix_worker.core.model.firewall import FirewallState
from phoenix_worker.core.model.ha import HaState
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned.plan import plan
from phoenix_worker.core.planned.prediction import applied, created, foretold, inherited
from tests.support.declared import DECLARED, FIREWALL, HTTPS, MINIMAL, PING, seen

ROOT = Declaration(
    900,
    "base",
    Role.TEMPLATE,
    "pve1",
    os_template="local:vztmpl/debian.tar.zst",
    storage="local-lvm",
    disk_gb=8,
    memory_mb=512,
    network=Network("vmbr0", ip="10.0.0.200/24", gw="10.0.0.1"),
    mac="52:54:00:AA:BB:CC",
)
SEALED = Observation(
    900,
    "pve1",
    Presence.HERE,
    {
        "hostname": "base",
        "memory": "512",
        "net0": "name=eth0,bridge=vmbr0,gw=10.0.0.1,hwaddr=52:54:00:AA:BB:CC,ip=10.0.0.200/24,type=veth",
        "template": "1",
        "tags": "phoenix",
        "rootfs": "local-lvm:base-900-disk-0,size=8G",
        "unprivileged": "1",
    },
)
IN, OUT = ({"type": "in", "action": "DROP"},), ({"type": "out", "action": "DROP"},)
ABSENT = Observation(103, "pve1", Presence.ABSENT)


def told(declaration: Declaration, template: Observation) -> dict[str, tuple[str | None, str | None]]:
    steps = plan(declaration, ABSENT, judge(declaration, ABSENT), template)
    return {action.key: (action.old, action.new) for step in steps for action in step.actions if action.key}


def test_a_clone_tells_old_and_new_before_it_exists() -> None:
    changes = told(DECLARED, SEALED)
    assert changes["memory"] == ("512", "1024")
    assert changes["rootfs"] == ("8G", "16G")
    assert "hostname" not in changes, "a clone is made with its own"
    old, _ = changes["net0"]
    assert old == "name=eth0,bridge=vmbr0,gw=10.0.0.1,ip=10.0.0.200/24,type=veth", "nobody knows its first MAC"


def test_a_clone_of_a_template_that_does_not_exist_is_foretold_through_both() -> None:
    chained = replace(ROOT, ctid=901, os_template=None, clone_from=900, memory_mb=2048, disk_gb=None)
    middle = foretold(chained, ABSENT, foretold(ROOT, ABSENT))
    assert told(DECLARED, middle)["memory"] == ("2048", "1024")
    assert told(DECLARED, middle)["rootfs"] == ("8G", "16G")


def test_a_template_that_stands_there_half_made_is_foretold_as_it_will_be() -> None:
    half = replace(SEALED, config={**SEALED.config, "memory": "99", "template": "0"})
    assert foretold(ROOT, half).config["memory"] == "512"


@pytest.mark.parametrize("declaration", [DECLARED, MINIMAL, replace(DECLARED, full_clone=False)])
def test_nothing_differs_any_more_once_the_changes_are_made(declaration: Declaration) -> None:
    other = seen(memory="99", startup=None, tags="x", rootfs="local-lvm:vm-1,size=4G")
    for present in (inherited(declaration, SEALED), other):
        assert diff(declaration, present)
        assert not diff(declaration, applied(declaration, present))


@pytest.mark.parametrize("volumes", [(), (Volume("local-lvm", 4, "/data"),)])
def test_what_is_created_is_as_declared(volumes: tuple[Volume, ...]) -> None:
    root = replace(ROOT, volumes=volumes)
    made = created(root)
    assert not diff(root, made)
    assert needs_rebuild(root, made) == ()


def test_volumes_are_inherited_and_grow() -> None:
    volume = Volume("local-lvm", 4, "/data")
    root = foretold(replace(ROOT, volumes=(volume,)), ABSENT)
    bigger = replace(DECLARED, volumes=(replace(volume, size_gb=6), replace(volume, mount_point="/more")))
    changes = told(bigger, root)
    assert changes["mp0"] == ("4G", "6G")
    assert changes["mp1"] == (None, "local-lvm:4,mp=/more")
    assert not diff(bigger, foretold(bigger, ABSENT, root))


def test_a_linked_clone_stays_where_its_template_is() -> None:
    linked = replace(DECLARED, full_clone=False, storage="other")
    assert inherited(linked, SEALED).config["rootfs"].startswith("local-lvm:")
    assert inherited(replace(linked, full_clone=True), SEALED).config["rootfs"].startswith("other:")


def test_all_that_is_known_of_a_clone_and_of_what_is_created() -> None:
    notes = "phoenix-lxc: ctid=103 id= as=container stage=made hash=h1 from=900"
    clone = replace(
        SEALED,
        firewall=FirewallState(enabled=True, rules=IN, policies={"policy_in": "DROP"}),
    )
    config = SEALED.config | {
        "hostname": "Step-CA",
        "net0": "name=eth0,bridge=vmbr0,gw=10.0.0.1,ip=10.0.0.200/24,type=veth",
        "rootfs": "local-lvm:vm-103-disk-0,size=8G",
        "description": notes,
    }
    del config["template"]
    firewall = FirewallState(enabled=None, rules=IN, policies={"policy_in": "DROP"})
    undescribed = replace(DECLARED, description=None)
    known = Observation(103, "pve1", Presence.HERE, config, firewall=firewall, ha=HaState())
    assert inherited(undescribed, clone) == known
    described = inherited(DECLARED, clone)
    assert described == replace(known, config=config | {"description": f"The CA.\n\n{notes}"})
    bare = replace(SEALED, config={"hostname": "base"})
    assert inherited(undescribed, bare).config == {"hostname": "Step-CA", "description": notes}
    made = created(ROOT)
    told = "phoenix-lxc: ctid=900 id= as=template stage=configured hash= from=debian.tar.zst"
    assert (made.config["description"], made.config["rootfs"]) == (told, "local-lvm:vm-900-disk-0,size=8G")
    assert replace(made, config={}) == Observation(
        900, "pve1", Presence.HERE, firewall=FirewallState(enabled=None), ha=HaState()
    )


def test_what_is_around_it_is_applied_too() -> None:
    there = replace(
        seen(),
        firewall=FirewallState(enabled=None, rules=OUT),
        pool="theirs",
        ha=HaState(),
    )
    walled = replace(DECLARED, firewall=FIREWALL, pool="ours")
    rules = tuple(map(declared_rule, (HTTPS, PING)))
    then = applied(walled, there)
    assert (then.firewall, then.pool) == (FirewallState(enabled=True, rules=rules), "ours")
    kept = applied(replace(walled, firewall=replace(FIREWALL, rules=None), pool=None), there)
    assert kept.firewall == FirewallState(enabled=True, rules=OUT)
    assert (kept.pool, kept.ha) == ("theirs", HaState())
    assert applied(replace(DECLARED, ha=HaResource(group="g")), there).ha == HaState(managed=True, group="g")
