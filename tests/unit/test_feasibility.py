from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from phoenix_worker.catalog.declaration import Declaration, Network, Role, Volume
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.model.ports import Storage
from phoenix_worker.core.planned.feasibility import (
    Need,
    Needs,
    Offer,
    Origin,
    cannot_change,
    cannot_work,
    needs_of_change,
    objection,
)

CONTENT = frozenset({"rootdir"})
STORAGES = {
    "zfs": Storage("zfs", "zfspool", CONTENT),
    "dir": Storage("dir", "dir", CONTENT),
    "ceph": Storage("ceph", "rbd", CONTENT, shared=True),
    "far": Storage("far", "zfspool", CONTENT, nodes=frozenset({"pve2"})),
    "half": Storage("half", "rbd", CONTENT, shared=True, nodes=frozenset({"pve2", "pve3"})),
    "odd": Storage("odd", "somebodys-plugin", CONTENT),
    "iso": Storage("iso", "dir", frozenset({"iso", "vztmpl"})),
}
OFFER = Offer(STORAGES, frozenset({"vmbr0", "vmbr1"}))
FULL = Declaration(
    103, "ca", Role.CONTAINER, "pve1", clone_from=900, storage="zfs", disk_gb=8, network=Network("vmbr0", ip="dhcp")
)
LINKED = replace(FULL, full_clone=False)
ROOT = replace(FULL, ctid=900, role=Role.TEMPLATE, clone_from=None, os_template="local:vztmpl/x.tar.zst")
STANDS = Observation(
    103,
    "pve1",
    Presence.HERE,
    {
        "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth",
        "rootfs": "zfs:subvol-103-disk-0,size=8G",
        "mp0": "zfs:subvol-103-disk-1,mp=/data,size=4G",
        "mp1": "gone:4,mp=/unmade",
    },
)
HERE, THERE = Origin(900, "pve1", ("zfs",)), Origin(900, "pve2", ("zfs",))


@pytest.mark.parametrize(
    ("declared", "origin"),
    [
        (FULL, HERE),
        (FULL, Origin(900, "pve1", ("dir",))),
        (LINKED, HERE),
        (LINKED, Origin(900, "pve1", ("odd",))),
        (replace(LINKED, storage="dir"), HERE),
        (replace(FULL, storage=None), HERE),
        (ROOT, None),
        (replace(ROOT, network=None), None),
        (replace(FULL, storage="ceph"), THERE),
        (replace(FULL, storage=None), Origin(900, "pve2", ("ceph",))),
        (LINKED, Origin(900, "pve2", ("ceph",))),
        (replace(FULL, storage=None), Origin(900, "pve2")),
    ],
)
def test_what_can_work_is_not_refused(declared: Declaration, origin: Origin | None) -> None:
    assert cannot_work(declared, origin, OFFER) is None


@pytest.mark.parametrize(
    ("declared", "origin", "why", "remedy"),
    [
        (replace(FULL, storage="nvme"), HERE, "there is no storage nvme", "pve1 has: ceph, dir, odd, zfs."),
        (replace(FULL, storage="far"), HERE, "there is no storage far", "Declare another"),
        (replace(ROOT, storage="nvme"), None, "Unable to build template 900 on pve1", "Declare another"),
        (replace(FULL, volumes=(Volume("nvme", 4, "/data"),)), HERE, "there is no storage nvme", "Declare another"),
        (replace(ROOT, storage="iso"), None, "storage iso takes no containers", "`storage_pool`, or allow containers"),
        (replace(ROOT, storage=None), None, "there is no storage local", "Declare another `storage_pool`; pve1"),
        (replace(FULL, network=Network("vmbr9")), HERE, "there is no bridge vmbr9", "pve1 has: vmbr0, vmbr1."),
        (LINKED, Origin(900, "pve1", ("dir",)), "its template 900 lies on dir, and storage of the type dir", '"full"'),
        (LINKED, Origin(900, "pve1", ("zfs", "dir")), "has no linked clones", '"full"'),
        (FULL, THERE, "its template 900 lies on pve2, and zfs is not shared", "`storage_pool` to a shared storage"),
        (replace(FULL, storage=None), THERE, "zfs is not shared by the two nodes", "`node` to pve2"),
        (LINKED, THERE, "zfs is not shared by the two nodes", "a template on pve1"),
        (replace(FULL, storage=None), Origin(900, "pve2", ("half",)), "half is not shared by the two nodes", "shared"),
    ],
)
def test_what_cannot_work_is_told_with_a_remedy(
    declared: Declaration, origin: Origin | None, why: str, remedy: str
) -> None:
    error = cannot_work(declared, origin, OFFER)
    assert error is not None
    assert (why in error.message, remedy in error.remedy) == (True, True), str(error)


def test_no_template_is_built_on_lvm_that_is_not_thin() -> None:
    """Proxmox would find that in a task, once its scripts had run (`volume_has_feature`)."""
    offer = Offer(STORAGES | {"thick": Storage("thick", "lvm", CONTENT)}, frozenset({"vmbr0"}))
    assert cannot_work(replace(FULL, storage="thick"), HERE, offer) is None
    on_volume = replace(ROOT, volumes=(Volume("thick", 4, "/data"),))
    for declared, key in (
        (replace(ROOT, storage="thick"), "`storage_pool`"),
        (on_volume, "`pool` for its volume /data"),
    ):
        error = cannot_work(declared, None, offer)
        assert error is not None
        assert (error.cause, f"Declare another {key}; pve1 has:" in error.remedy) == ("template-unavailable", True)
        assert error.message.endswith("storage thick is of the type lvm, which has no templates.")


NEAR = Storage("near", "zfspool", CONTENT, nodes=frozenset({"pve1"}))
BOTH = Storage("both", "rbd", CONTENT, shared=True, nodes=frozenset({"pve1", "pve2"}))


def test_a_storage_of_some_nodes_will_do_where_its_node_is_one_of_them() -> None:
    offer = Offer({"near": NEAR, "both": BOTH}, frozenset({"vmbr0"}))
    assert offer.storages_on("pve1") == "pve1 has: both, near."
    assert offer.storages_on("pve2") == "pve2 has: both."
    assert cannot_work(replace(FULL, storage="near"), HERE, offer) is None
    assert cannot_work(replace(FULL, storage="both"), THERE, offer) is None
    assert objection(replace(FULL, storage="both"), THERE, offer) == ""


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        ({}, ["network_config", "networks"]),
        ({"networks": [{}, {}]}, ["networks", "networks"]),
        ({"network_config": {}, "networks": [{}, {}]}, ["networks", "networks"]),
        ({"network_config": {"bridge": "x"}, "networks": [{}]}, ["network_config", "networks"]),
    ],
)
def test_a_bridge_is_told_with_the_key_that_names_it(source: dict[str, Any], keys: list[str]) -> None:
    wanted = replace(FULL, network=Network("a"), more_networks=(Network("b"),), source=source)
    assert list(needs_of_change(wanted, replace(STANDS, config={})).bridges.values()) == keys


def needing(volume: str = "zfs", **changes: Any) -> Needs:
    return needs_of_change(replace(FULL, volumes=(Volume(volume, 4, "/data"),), **changes), STANDS)


def test_what_is_as_declared_needs_nothing() -> None:
    assert not needing()
    assert not needing(network=Network("vmbr0", vlan=3))
    assert not needing(network=None, storage=None)
    assert not needing(storage="nvme", full_clone=False), "a linked clone lies where its template does"
    assert not needs_of_change(replace(FULL, volumes=()), STANDS)


def test_what_is_declared_otherwise_is_needed() -> None:
    assert needing(network=Network("vmbr9")) == Needs(bridges={"vmbr9": "network_config"})
    assert needing(network=Network("vmbr9"))
    assert needing(storage="nvme")
    assert needing(storage="nvme") == Needs((Need("nvme", "`storage_pool`", takes=False),))
    assert needing(volume="nvme") == Needs((Need("nvme", "`pool` for its volume /data", takes=False),))
    new = replace(FULL, volumes=(Volume("zfs", 1, "/new"), Volume("gone", 4, "/unmade")))
    assert [need.storage for need in needs_of_change(new, STANDS).storages] == ["zfs", "gone"]


@pytest.mark.parametrize(
    ("changes", "why", "remedy"),
    [
        (
            {"network": Network("vmbr9")},
            "there is no bridge vmbr9",
            "another `bridge` in network_config; pve1",
        ),
        ({"storage": "nvme"}, "there is no storage nvme", "Declare another `storage_pool`; pve1 has: ceph"),
        ({"volumes": (Volume("far", 1, "/new"),)}, "there is no storage far", "another `pool` for its volume /new;"),
        ({"volumes": (Volume("iso", 1, "/new"),)}, "storage iso takes no containers", "`pool` for its volume /new, or"),
    ],
)
def test_a_change_that_cannot_work_is_told_with_its_key(changes: dict[str, Any], why: str, remedy: str) -> None:
    declared = replace(FULL, **changes)
    error = cannot_change(declared, needs_of_change(declared, STANDS), OFFER)
    assert error is not None
    assert (why in error.message, remedy in error.remedy) == (True, True), str(error)
    assert cannot_change(declared, needs_of_change(declared, STANDS), Offer()) is None, "not known: Proxmox is asked"


def test_a_disk_that_stays_where_it_is_is_no_reason_to_refuse() -> None:
    for declared in (replace(FULL, storage="iso"), replace(FULL, volumes=(Volume("dir", 4, "/data"),))):
        assert cannot_change(declared, needs_of_change(declared, STANDS), OFFER) is None


def test_what_is_not_known_is_left_to_proxmox() -> None:
    assert cannot_work(replace(FULL, storage="nvme", network=Network("vmbr9")), THERE, Offer()) is None


def test_a_template_that_is_not_built_yet_lies_where_it_will() -> None:
    middle = replace(FULL, ctid=901, role=Role.TEMPLATE, storage=None)
    assert Origin.declared([ROOT]) == Origin(900, "pve1", ("zfs",))
    assert Origin.declared([middle, ROOT]) == Origin(901, "pve1", ("zfs",))
    assert Origin.declared([replace(middle, storage="dir", full_clone=False), ROOT]).storages == ("zfs",)
    assert Origin.declared([replace(middle, storage="dir"), ROOT]).storages == ("dir",)
    assert Origin.declared([middle, replace(ROOT, storage=None)]).storages == ("local",), "the default of Proxmox"
    assert Origin.declared([replace(ROOT, volumes=(Volume("dir", 4, "/data"),))]).storages == ("dir", "zfs")


def test_a_template_that_is_there_lies_where_proxmox_shows_it() -> None:
    config = {
        "rootfs": "zfs:basevol-900-disk-0,size=8G",
        "mp0": "dir:900/base-900-disk-1.raw,mp=/a",
        "mp1": "/srv,mp=/b",
    }
    assert Origin.seen(Observation(900, "pve2", Presence.HERE, config)) == Origin(900, "pve2", ("dir", "zfs"))
