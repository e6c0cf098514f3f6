from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_worker.catalog.declaration import Declaration, Network, Role, Volume
from phoenix_worker.core.feasibility import Offer, Origin, cannot_work
from phoenix_worker.core.observation import Observation, Presence
from phoenix_worker.core.ports import Storage

CONTENT = frozenset({"rootdir"})
STORAGES = {
    "zfs": Storage("zfs", "zfspool", CONTENT),
    "dir": Storage("dir", "dir", CONTENT),
    "ceph": Storage("ceph", "rbd", CONTENT, shared=True),
    "far": Storage("far", "zfspool", CONTENT, nodes=frozenset({"pve2"})),
    "half": Storage("half", "rbd", CONTENT, shared=True, nodes=frozenset({"pve2", "pve3"})),
    "odd": Storage("odd", "somebodys-plugin", CONTENT),
}
OFFER = Offer(STORAGES, frozenset({"vmbr0", "vmbr1"}))
FULL = Declaration(
    103, "ca", Role.CONTAINER, "pve1", clone_from=900, storage="zfs", disk_gb=8, network=Network("vmbr0", ip="dhcp")
)
LINKED = replace(FULL, full_clone=False)
ROOT = replace(FULL, ctid=900, role=Role.TEMPLATE, clone_from=None, os_template="local:vztmpl/x.tar.zst")
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
def test_what_works(declared: Declaration, origin: Origin | None) -> None:
    assert cannot_work(declared, origin, OFFER) is None


@pytest.mark.parametrize(
    ("declared", "origin", "why", "remedy"),
    [
        (replace(FULL, storage="nvme"), HERE, "there is no storage nvme", "pve1 has: ceph, dir, odd, zfs."),
        (replace(FULL, storage="far"), HERE, "there is no storage far", "Declare another"),
        (replace(ROOT, storage="nvme"), None, "Unable to build template 900 on pve1", "Declare another"),
        (replace(FULL, volumes=(Volume("nvme", 4, "/data"),)), HERE, "there is no storage nvme", "Declare another"),
        (replace(FULL, network=Network("vmbr9")), HERE, "there is no bridge vmbr9", "pve1 has: vmbr0, vmbr1."),
        (LINKED, Origin(900, "pve1", ("dir",)), "its template 900 lies on dir, and storage of the type dir", '"full"'),
        (LINKED, Origin(900, "pve1", ("zfs", "dir")), "has no linked clones", '"full"'),
        (FULL, THERE, "its template 900 lies on pve2, and zfs is not shared", "a shared storage_pool"),
        (replace(FULL, storage=None), THERE, "zfs is not shared by the two nodes", "the node pve2"),
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


def test_what_is_not_known_is_left_to_proxmox() -> None:
    assert cannot_work(replace(FULL, storage="nvme", network=Network("vmbr9")), THERE, Offer()) is None


def test_a_template_that_is_not_built_yet_lies_where_it_will() -> None:
    middle = replace(FULL, ctid=901, role=Role.TEMPLATE, storage=None)
    assert Origin.declared([ROOT]) == Origin(900, "pve1", ("zfs",))
    assert Origin.declared([middle, ROOT]) == Origin(901, "pve1", ("zfs",))
    assert Origin.declared([replace(middle, storage="dir", full_clone=False), ROOT]).storages == ("zfs",)
    assert Origin.declared([replace(middle, storage="dir"), ROOT]).storages == ("dir",)
    assert Origin.declared([middle, replace(ROOT, storage=None)]).storages == (), "Proxmox chooses"
    assert Origin.declared([replace(ROOT, volumes=(Volume("dir", 4, "/data"),))]).storages == ("dir", "zfs")


def test_a_template_that_is_there_lies_where_proxmox_shows_it() -> None:
    config = {
        "rootfs": "zfs:basevol-900-disk-0,size=8G",
        "mp0": "dir:900/base-900-disk-1.raw,mp=/a",
        "mp1": "/srv,mp=/b",
    }
    assert Origin.seen(Observation(900, "pve2", Presence.HERE, config)) == Origin(900, "pve2", ("dir", "zfs"))
