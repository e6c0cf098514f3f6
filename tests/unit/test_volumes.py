from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from phoenix_producer.contract import Change
from phoenix_worker.catalog.declaration import Role, Volume
from phoenix_worker.core.differs.diff import creation_config, diff
from phoenix_worker.core.differs.unchangeable import needs_rebuild
from phoenix_worker.core.differs.volumes import disk_sizes
from phoenix_worker.core.model.marker import write_marker
from phoenix_worker.core.planned.prediction import created
from tests.support.declared import DECLARED, MARKER, seen

DATA, LOGS = Volume("tank", 8, "/srv/data"), Volume("fast", 1, "/var/log")
HOLDING = replace(DECLARED, volumes=(DATA, LOGS))
MP_DATA, MP_LOGS = "tank:subvol-103-disk-1,mp=/srv/data,size=8G", "fast:vm-103-disk-1,mp=/var/log,size=1G"


def test_what_is_there_needs_nothing_whatever_its_number_and_spelling() -> None:
    assert not diff(HOLDING, seen(mp0=MP_DATA, mp1=MP_LOGS))
    spelt = "tank:subvol-103-disk-1,acl=1,backup=1,mp=/srv//data/,size=8192M"
    assert not diff(HOLDING, seen(mp7=spelt, mp3=MP_LOGS))
    assert not diff(DECLARED, seen(mp0=MP_DATA)), "what is not declared stays"


def test_what_is_missing_is_made_at_a_number_that_is_free() -> None:
    changes = diff(HOLDING, seen(mp0="/srv/host,mp=/srv/host", mp2=MP_LOGS))
    assert changes.put == {"mp1": "tank:8,mp=/srv/data"}
    assert changes.changes == (Change(key="mp1", new="tank:8,mp=/srv/data"),)
    assert changes.pending_when_running == ()
    assert diff(HOLDING, seen()).put == {"mp0": "tank:8,mp=/srv/data", "mp1": "fast:1,mp=/var/log"}


def test_what_proxmox_was_asked_for_and_did_not_make_is_asked_for_again_and_not_twice() -> None:
    assert diff(HOLDING, seen(mp4="tank:8,mp=/srv/data", mp1=MP_LOGS)).put == {"mp4": "tank:8,mp=/srv/data"}


def test_a_volume_grows_as_the_root_disk_does() -> None:
    smaller = seen(rootfs="local-lvm:vm-103-disk-0,size=8G", mp2=MP_DATA.replace("8G", "512M"), mp1=MP_LOGS)
    changes = diff(HOLDING, smaller)
    assert (changes.put, changes.grow) == ({}, {"rootfs": 16, "mp2": 8})
    assert changes.changes == (
        Change(key="rootfs", old="8G", new="16G"),
        Change(key="mp2", old="512M", new="8G"),
    )


def test_a_volume_without_a_limit_is_larger_than_any_size() -> None:
    unlimited = seen(
        rootfs="local-btrfs:103/vm-103-disk-0.subvol,size=0T", mp0=MP_DATA.replace("8G", "0T"), mp1=MP_LOGS
    )
    assert not diff(HOLDING, unlimited)
    told = needs_rebuild(HOLDING, unlimited)
    for what, declared in (("root disk", 16), ("volume /srv/data", 8)):
        words = f"its {what} is without limit, the catalog declares {declared} GiB, and a disk cannot shrink"
        assert any(words in one for one in told)


def test_the_volumes_of_a_template_stay() -> None:
    base = {"rootfs": "local-lvm:base-103-disk-0,size=8G", "template": "1"}
    notes = write_marker(replace(MARKER, role=Role.TEMPLATE), "The CA.")
    sealed = seen(**base, mp0="tank:base-103-disk-1,mp=/srv/data,size=1G", mp1=MP_LOGS, description=notes)
    assert not diff(replace(HOLDING, role=Role.TEMPLATE), sealed)


@pytest.mark.parametrize(
    ("mp0", "words"),
    [
        (
            MP_DATA.replace("8G", "16G"),
            "its volume /srv/data is 16 GiB, the catalog declares 8 GiB, and a disk cannot shrink",
        ),
        (
            MP_DATA.replace("tank", "slow"),
            "its volume /srv/data is on slow, the catalog declares tank, and disks are not moved",
        ),
        ("/mnt/x,mp=/srv/data", "its volume /srv/data is a directory of the node, the catalog declares tank"),
    ],
)
def test_what_cannot_be_had_any_more_is_told_and_left_alone(mp0: str, words: str) -> None:
    observed = seen(mp0=mp0, mp1=MP_LOGS, unprivileged="1")
    (told,) = needs_rebuild(HOLDING, observed)
    assert words in told
    assert not diff(HOLDING, observed)


@pytest.mark.parametrize(
    ("fields", "rootfs"),
    [({}, "local-lvm:16"), ({"disk_gb": None}, "local-lvm:4"), ({"disk_gb": None, "storage": None}, "4")],
)
def test_a_creation_orders_them_with_the_root_disk_that_proxmox_wants_then(
    fields: dict[str, str | None], rootfs: str
) -> None:
    root = replace(HOLDING, clone_from=None, os_template="local:vztmpl/x.tar.zst", **fields)  # type: ignore[arg-type] # parametrised
    config = creation_config(root, MARKER)
    disks = {key: value for key, value in config.items() if key in {"storage", "rootfs", "mp0", "mp1"}}
    assert disks == {"rootfs": rootfs, "mp0": "tank:8,mp=/srv/data", "mp1": "fast:1,mp=/var/log"}


HOW = (("ro", "1"), ("mountoptions", "noatime;nodev"))


def test_how_a_volume_is_mounted_is_part_of_its_order() -> None:
    holding = replace(DECLARED, volumes=(replace(DATA, options=HOW),))
    assert diff(holding, seen()).put == {"mp0": "tank:8,mp=/srv/data,mountoptions=noatime;nodev,ro=1"}


def test_another_way_to_mount_one_keeps_the_rest_of_it_and_waits_for_a_restart() -> None:
    holding = replace(DECLARED, volumes=(replace(DATA, options=HOW),))
    present = "tank:subvol-103-disk-1,acl=1,backup=1,mountoptions=discard,mp=/srv/data,size=8G"
    changes = diff(holding, seen(mp3=present))
    new = "tank:subvol-103-disk-1,mp=/srv/data,acl=1,backup=1,mountoptions=noatime;nodev,ro=1,size=8G"
    assert changes.put == {"mp3": new}
    assert changes.changes == (Change(key="mp3", old=present, new=new),)
    assert changes.pending_when_running == ("mp3",)
    assert not diff(holding, seen(mp3=new.replace("noatime;nodev", "nodev;noatime")))
    assert not diff(replace(DECLARED, volumes=(DATA,)), seen(mp3=new)), "what is not declared stays"
    none = replace(DATA, options=(("ro", "0"), ("mountoptions", "")))
    put = diff(replace(DECLARED, volumes=(none,)), seen(mp3=new)).put["mp3"]
    assert put == "tank:subvol-103-disk-1,mp=/srv/data,acl=1,backup=1,ro=0,size=8G"


def test_the_root_disk_is_mounted_as_declared_and_the_rest_of_it_stays() -> None:
    rooted = replace(DECLARED, root_options=(("acl", "1"), ("mountoptions", "noatime;nodev")))
    old = "local-lvm:vm-103-disk-0,mountoptions=discard,quota=1,size=16G"
    new = "local-lvm:vm-103-disk-0,acl=1,mountoptions=noatime;nodev,quota=1,size=16G"
    changes = diff(rooted, seen(rootfs=old))
    assert changes.put == {"rootfs": new}
    assert changes.changes == (Change(key="rootfs", old=old, new=new),)
    assert changes.pending_when_running == ("rootfs",)
    assert not diff(rooted, seen(rootfs=new))
    assert not diff(DECLARED, seen(rootfs=new)), "what is not declared stays"
    assert diff(rooted, seen(rootfs=old.replace("16G", "8G"))).put_before_growth == {}
    none = replace(DECLARED, root_options=(("mountoptions", ""),))
    assert diff(none, seen(rootfs=old)).put == {"rootfs": "local-lvm:vm-103-disk-0,quota=1,size=16G"}


@pytest.mark.parametrize(
    ("fields", "rootfs"),
    [
        ({}, "local-lvm:16,acl=1"),
        ({"disk_gb": None, "storage": None}, "local:4,acl=1"),
        ({"root_options": (("mountoptions", ""),)}, "local-lvm:16"),
    ],
)
def test_a_creation_orders_its_root_disk_so(fields: dict[str, Any], rootfs: str) -> None:
    made = replace(DECLARED, clone_from=None, os_template="local:vztmpl/x.tar.zst", root_options=(("acl", "1"),))
    wanted = replace(made, **fields)
    assert creation_config(wanted, MARKER)["rootfs"] == rootfs
    assert not diff(wanted, created(wanted)).put


@pytest.mark.parametrize(("name", "default"), [("ro", "0"), ("backup", "0"), ("shared", "0"), ("replicate", "1")])
def test_what_a_mount_is_anyhow_is_no_change(name: str, default: str) -> None:
    assert not diff(replace(DECLARED, volumes=(replace(DATA, options=((name, default),)),)), seen(mp0=MP_DATA))


def test_of_one_that_grows_how_it_is_mounted_is_sent_once_it_has_grown() -> None:
    """Its size goes with it: a running container would take the old one back at its next start."""
    holding = replace(DECLARED, volumes=(replace(DATA, options=HOW), LOGS))
    changes = diff(holding, seen(mp0=MP_DATA.replace("8G", "4G")))
    assert changes.grow == {"mp0": 8}
    assert changes.put.keys() == {"mp0", "mp1"}
    assert changes.put_before_growth == {"mp1": "fast:1,mp=/var/log"}


@pytest.mark.parametrize(
    ("size", "order", "shown"), [(0.5, "tank:0.5", "512M"), (1.5, "tank:1.5", "1536M"), (2048, "tank:2048", "2T")]
)
def test_a_size_in_another_unit_is_ordered_and_recognized(size: float, order: str, shown: str) -> None:
    holding = replace(DECLARED, volumes=(Volume("tank", size, "/srv/data"),))
    assert diff(holding, seen()).put == {"mp0": f"{order},mp=/srv/data"}
    assert not diff(holding, seen(mp0=MP_DATA.replace("8G", shown)))
    assert diff(holding, seen(mp0=MP_DATA.replace("8G", "256M"))).grow == {"mp0": size}


def test_each_disk_has_its_size_and_what_is_no_disk_has_none() -> None:
    found = seen(
        rootfs="tank:base-900-disk-0,size=512M",
        mp10=MP_LOGS,
        mp2=MP_DATA,
        mp3="/srv,mp=/srv",
        mp4="tank:subvol-900-disk-4,mp=/x,size=0T",
        unused0="tank:vm-900-disk-9",
        net0="name=eth0,size=8G",
    )
    assert list(disk_sizes(found.config).items()) == [("rootfs", 0.5), ("mp2", 8), ("mp10", 1)]
