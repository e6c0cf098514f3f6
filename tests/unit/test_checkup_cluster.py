"""The lines of `phoenix-lxc check` about storages, bridges and OS templates, whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.declaration import Download, Network, Volume
from phoenix_worker.core.checkup.cluster import (
    NodeFacts,
    Storage,
    absent_os_templates,
    judge_node,
    storage_of,
)
from phoenix_worker.core.checkup.line import Level, Line
from tests.support.declared import MINIMAL

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import Declaration

OK, WARNING, ERROR = Level.OK, Level.WARNING, Level.ERROR
ZFS = Storage("zfs", "zfspool", frozenset({"rootdir"}), 99.6)
DIR = Storage("dir", "dir", frozenset({"rootdir", "iso"}), 99.6)
VOLUME = "store:vztmpl/debian.tar.zst"
STORE = Storage("store", "dir", frozenset({"vztmpl"}), 10.0)
NODE = NodeFacts("pve1", storages={one.name: one for one in (ZFS, DIR, STORE)}, bridges=frozenset({"vmbr0", "vmbr1"}))
OTHER = "Free some space, or name another storage in the catalog."


def said(node: NodeFacts, *declared: Declaration, unseen: frozenset[str] = frozenset()) -> list[Line]:
    by_ctid = {one.ctid: one for one in declared}
    return list(judge_node(node, by_ctid, by_ctid, unseen))


ON_ZFS = replace(MINIMAL, storage="zfs", disk_gb=16)
LINKED = replace(MINIMAL, ctid=104, clone_from=103, full_clone=False)


@pytest.mark.parametrize(
    ("node", "declared", "line"),
    [
        (
            NODE,
            [ON_ZFS, LINKED],
            Line("Storage zfs on pve1", OK, "zfspool: linked clones and snapshots; 100 GiB free"),
        ),
        (
            NODE,
            [replace(ON_ZFS, storage="dir")],
            Line("Storage dir on pve1", OK, "dir: no linked clones, no snapshots; 100 GiB free"),
        ),
        (
            NODE,
            [replace(ON_ZFS, storage="dir"), LINKED, replace(LINKED, ctid=105, full_clone=True)],
            Line(
                "Storage dir on pve1",
                ERROR,
                "is of the type dir, which has no linked clones, and 104 are declared so",
                'Declare `"clone": "full"`, or another storage for the template.',
            ),
        ),
        (
            NODE,
            [replace(ON_ZFS, disk_gb=100)],
            Line("Storage zfs on pve1", WARNING, "has 100 GiB free, and a disk of 100 GiB is declared on it", OTHER),
        ),
        (
            replace(NODE, storages={"zfs": replace(ZFS, free_gib=16.0)}),
            [ON_ZFS],
            Line("Storage zfs on pve1", OK, "zfspool: linked clones and snapshots; 16 GiB free"),
        ),
        (
            replace(NODE, storages={"zfs": replace(ZFS, free_gib=0.4)}),
            [replace(ON_ZFS, disk_gb=None)],
            Line("Storage zfs on pve1", OK, "zfspool: linked clones and snapshots; 0 GiB free"),
        ),
        (
            NODE,
            [replace(ON_ZFS, storage="dir", disk_gb=500, volumes=(Volume("zfs", 200, "/srv"), Volume("zfs", 1, "/x")))],
            Line("Storage zfs on pve1", WARNING, "has 100 GiB free, and a disk of 200 GiB is declared on it", OTHER),
        ),
        (
            replace(NODE, storages={"zfs": replace(ZFS, content=frozenset({"images"}))}),
            [ON_ZFS],
            Line("Storage zfs on pve1", ERROR, "takes no containers", "pvesm set zfs --content images,rootdir"),
        ),
        (
            replace(NODE, storages={"local": replace(ZFS, name="local", content=frozenset({"iso"}))}),
            [replace(ON_ZFS, clone_from=None, storage=None)],
            Line(
                "Storage local on pve1",
                ERROR,
                "takes no containers, and Proxmox takes it where none is declared",
                "Declare `storage_pool`, or: pvesm set local --content iso,rootdir",
            ),
        ),
        (
            replace(NODE, disabled=frozenset({"zfs"})),
            [ON_ZFS, replace(ON_ZFS, ctid=105)],
            Line(
                "Storage zfs on pve1",
                ERROR,
                "is disabled, and the catalog puts 103, 105 on it",
                "Enable it: pvesm set zfs --disable 0",
            ),
        ),
        (
            replace(NODE, storages={}, elsewhere={"zfs": frozenset({"pve3", "pve2"})}),
            [ON_ZFS],
            Line(
                "Storage zfs on pve1",
                ERROR,
                "is for pve2, pve3 only, and the catalog puts 103 on it",
                "If this node has it too: pvesm set zfs --nodes pve1,pve2,pve3",
            ),
        ),
        (
            NODE,
            [replace(ON_ZFS, storage="nvme")],
            Line(
                "Storage nvme on pve1",
                ERROR,
                "is not there, and the catalog puts 103 on it",
                "Correct `storage_pool`. The token sees: dir, store, zfs.",
            ),
        ),
        (
            replace(NODE, storages={}),
            [ON_ZFS],
            Line(
                "Storage zfs on pve1",
                ERROR,
                "is not there, and the catalog puts 103 on it",
                "Correct `storage_pool`. The token sees: none.",
            ),
        ),
        *(
            (
                replace(NODE, storages={"zfs": off}),
                [ON_ZFS],
                Line(
                    "Storage zfs on pve1",
                    ERROR,
                    "is not online, and the catalog puts 103 on it",
                    "On pve1: pvesm status --storage zfs",
                ),
            )
            for off in (replace(ZFS, online=False), replace(ZFS, enabled=False))
        ),
    ],
)
def test_a_line_about_a_storage(node: NodeFacts, declared: list[Declaration], line: Line) -> None:
    assert [one for one in said(node, *declared) if one.about == line.about] == [line]


def test_what_the_token_may_not_see_is_not_told() -> None:
    hidden = frozenset({"/storage/nvme", "/sdn/zones/localnetwork/vmbr9", "/storage/unseen"})
    declared = replace(MINIMAL, storage="nvme", network=Network("vmbr9"), os_template="unseen:vztmpl/x.tar.zst")
    assert said(NODE, declared, unseen=hidden) == []
    more = replace(ON_ZFS, ctid=104, os_template="zfs:vztmpl/y.tar.zst")
    assert [line.about for line in said(NODE, declared, more, unseen=hidden)] == [
        "Storage zfs on pve1",
        "OS template zfs:vztmpl/y.tar.zst on pve1",
    ]


def test_a_disk_is_where_that_of_its_template_is() -> None:
    catalog = {
        900: replace(MINIMAL, ctid=900, clone_from=None, storage="zfs"),
        901: replace(MINIMAL, ctid=901, clone_from=900),
        103: replace(MINIMAL, clone_from=901),
        104: replace(MINIMAL, ctid=104, clone_from=999),
    }
    assert [storage_of(one, catalog) for one in catalog.values()] == ["zfs", "zfs", "zfs", None]


def test_a_line_about_each_bridge() -> None:
    twice = replace(
        MINIMAL, network=Network("vmbr0"), more_networks=(Network("vmbr0", "eth1"), Network("vmbr9", "eth2"))
    )
    assert said(NODE, twice, replace(twice, ctid=104, more_networks=())) == [
        Line("Bridge vmbr0 on pve1", OK, "exists; used by 2 catalog entries"),
        Line(
            "Bridge vmbr9 on pve1",
            ERROR,
            "is not there, and the catalog connects 103 to it",
            "Correct `bridge` in the catalog, or make it on the node. The token sees: vmbr0, vmbr1.",
        ),
    ]
    (line,) = said(replace(NODE, bridges=frozenset()), replace(MINIMAL, network=Network("vmbr0")))
    assert line.remedy.endswith("The token sees: none.")


LOCAL = frozenset({"/storage/local"})
"""Where Proxmox puts what is created without a storage."""
MADE = replace(MINIMAL, clone_from=None, os_template=VOLUME)
ABOUT = f"OS template {VOLUME} on pve1"


@pytest.mark.parametrize(
    ("facts", "download", "line"),
    [
        ({"os_templates": frozenset({VOLUME})}, None, Line(ABOUT, OK, "there")),
        (
            {"appliances": frozenset({"debian.tar.zst"})},
            None,
            Line(ABOUT, OK, "not there yet: it is downloaded from Proxmox's index when it is needed"),
        ),
        (
            {},
            Download("debian.tar.zst", url="https://a/b"),
            Line(ABOUT, OK, "not there yet: it is fetched from https://a/b when it is needed"),
        ),
        (
            {},
            Download("debian.tar.zst", image="r/i:t"),
            Line(ABOUT, OK, "not there yet: it is fetched from r/i:t when it is needed"),
        ),
        (
            {},
            None,
            Line(
                ABOUT,
                ERROR,
                "is not there, Proxmox's index does not have it, and 103 are created from it",
                "Upload it to store, or correct `template`. What the index has: pveam update && pveam available",
            ),
        ),
        (
            {"storages": {"store": replace(STORE, content=frozenset({"iso"}))}},
            None,
            Line(ABOUT, ERROR, "store takes no OS templates", "pvesm set store --content iso,vztmpl"),
        ),
        (
            {"storages": {"zfs": ZFS}},
            None,
            Line(ABOUT, ERROR, "the storage store is not there", "Correct `template`. The token sees: zfs."),
        ),
    ],
)
def test_a_line_about_an_os_template(facts: dict[str, Any], download: Download | None, line: Line) -> None:
    assert said(replace(NODE, **facts), replace(MADE, download=download), unseen=LOCAL) == [line]


def test_os_templates_that_cannot_be_seen_are_neither_there_nor_absent() -> None:
    blind = replace(NODE, os_templates=None)
    assert said(blind, MADE, unseen=LOCAL) == []
    assert absent_os_templates(blind, {103: MADE}) == {}
    assert absent_os_templates(NODE, {103: MADE, 104: replace(MADE, ctid=104), 105: MINIMAL}) == {
        VOLUME: ["103", "104"]
    }
