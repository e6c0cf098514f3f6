"""What a container takes, and what each node has for it, by the catalog and one look at the cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog.declaration import Script
from phoenix_worker.core.model.cluster import ClusterView, GuestPlace, NodeState, view_of
from phoenix_worker.core.model.ports import Storage
from phoenix_worker.core.planned.candidates import Surroundings, candidates, reservation, to_reserve, wanted
from phoenix_worker.core.planned.feasibility import Offer, Origin
from phoenix_worker.core.planned.placement import Candidate, Reservation
from phoenix_worker.core.planned.sources import Source
from tests.unit.catalog_files import DEFAULTS, clone, loaded, template

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phoenix_worker.catalog.loading import Catalog

MIB, GIB = 1 << 20, 1 << 30
STORES = {
    "ceph": Storage("ceph", "rbd", frozenset({"rootdir"}), shared=True),
    "local-lvm": Storage("local-lvm", "lvmthin", frozenset({"rootdir"})),
}
OFFER = Offer(STORES, frozenset({"vmbr0"}))
FREE = {"ceph": 100 * GIB, "local-lvm": 50 * GIB}


def catalog(folder: Path, **more: Any) -> Catalog:
    root = template(memory_mb=256, storage_size_gb=4, node="pve1", arch="arm64")
    entries = {"900": root, "103": clone("900", node="any", spread="web", **more), "104": clone("900", spread="web")}
    return loaded(folder, entries, replace(DEFAULTS, node="any"))


def view(*guests: GuestPlace) -> ClusterView:
    names = ("pve1", "pve2")
    nodes = {name: NodeState(name, memory=8 * GIB, storages=FREE) for name in names}
    return view_of(nodes, {one.ctid: one for one in guests})


def seen(
    known: Catalog, look: ClusterView, reservations: Sequence[Reservation] = (), **around: Any
) -> dict[str, Candidate]:
    told: dict[str, Any] = {
        "offers": {"pve1": OFFER, "pve2": OFFER},
        "unreachable": {},
        "drained": frozenset(),
        "machines": {},
        "source_on": lambda _: Source(Origin(900, "", ("ceph",))),
    }
    what = wanted(known[103], known)
    found = candidates(known[103], what, look, reservations, Surroundings(**told | around), known)
    return {one.name: one for one in found}


def test_what_it_takes_is_declared_or_its_templates(tmp_path: Path) -> None:
    inherited = wanted((known := catalog(tmp_path))[103], known)
    assert (inherited.memory, inherited.disks, inherited.arch) == (256 * MIB, {"local-lvm": 4 * GIB}, "arm64")
    assert (inherited.nodes, inherited.group, inherited.mates) == (("any",), "web", frozenset({104}))
    volume = {"pool": "ceph", "size_gb": 2, "mount_point": "/srv", "name": "data"}
    own = wanted((known := catalog(tmp_path, memory_mb=64, storage_pool="ceph", volumes=[volume]))[103], known)
    assert (own.memory, own.disks) == (64 * MIB, {"ceph": 6 * GIB})
    beside = wanted((known := catalog(tmp_path, volumes=[volume]))[103], known)
    assert beside.disks == {"local-lvm": 4 * GIB, "ceph": 2 * GIB}
    linked = wanted((known := catalog(tmp_path, clone="linked"))[103], known)
    assert linked.disks == {}
    alone = loaded(tmp_path, {"103": template(node="any")})
    assert wanted(alone[103], alone).memory == 512 * MIB, "Proxmox's default"
    bare = {"900": template(node="pve1"), "901": template(node="any"), "103": clone("900", node="any")}
    unnamed = loaded(tmp_path, bare, replace(DEFAULTS, storage=None))
    assert wanted(unnamed[901], unnamed).disks == {"local": 4 * GIB}, "as are these, for what is created"
    assert wanted(unnamed[103], unnamed).disks == {}, "its template may lie anywhere"
    assert (wanted(alone[103], alone).arch, wanted(alone[103], alone).group) == ("", "")


def test_a_template_takes_memory_only_while_it_runs_for_its_scripts(tmp_path: Path) -> None:
    known = loaded(tmp_path, {"900": template(node="any", memory_mb=256, storage_size_gb=4), "103": clone("900")})
    idle = wanted(known[900], known)
    runs = wanted(replace(known[900], scripts=(Script("base", "base.sh", "00aa"),)), known)
    assert (idle.memory, runs.memory, idle.disks) == (0, 256 * MIB, runs.disks)


def test_a_reservation_reads_as_it_was_written(tmp_path: Path) -> None:
    what = wanted((known := catalog(tmp_path))[103], known)
    written = to_reserve(what, "pve2", 7.0)
    assert written == {
        "ctid": 103,
        "node": "pve2",
        "memory": 256 * MIB,
        "disk": 4 * GIB,
        "disks": {"local-lvm": 4 * GIB},
        "at": 7.0,
    }
    assert reservation(written) == Reservation(103, "pve2", 256 * MIB, {"local-lvm": 4 * GIB})
    strange: list[dict[str, Any]] = [
        {},
        written | {"disks": 7},
        written | {"memory": "x"},
        written | {"disks": {"a": None}},
        written | {"memory": float("inf")},
        written | {"memory": -GIB},
        written | {"disks": {"a": -GIB}},
    ]
    assert [reservation(one) for one in strange] == [None] * 7, "somebody else wrote it"


def test_what_stands_there_counts_once_whether_it_is_reserved_or_has_no_figures(tmp_path: Path) -> None:
    known = catalog(tmp_path)
    mate, other = GuestPlace(104, "pve1"), GuestPlace(700, "pve2", memory=GIB)
    found = seen(known, view(mate, other))
    assert [(one.promised, one.count) for one in found.values()] == [(256 * MIB, 1), (GIB, 1)]
    assert [one.mates for one in found.values()] == [{104}, set()]
    reserved = [Reservation(104, "pve1", 256 * MIB), Reservation(700, "pve2", GIB)]
    assert [(one.promised, one.count) for one in seen(known, view(mate, other), reserved).values()] == [(0, 0)] * 2
    built = seen(known, view(GuestPlace(900, "pve1")))
    assert built["pve1"].promised == 0, "a template never runs"


def test_what_speaks_against_a_node(tmp_path: Path) -> None:
    known = catalog(tmp_path)
    found = seen(known, view(), drained=frozenset({"pve2"}), machines={"pve1": "x86_64", "pve2": "aarch64"})
    assert found["pve1"].objection == "its CPUs are x86_64, and the container is arm64"
    assert (found["pve2"].objection, found["pve2"].drained) == ("", True)
    assert seen(known, view(), machines={"pve1": "s390x"})["pve1"].objection == "", "what is not known is not judged"
    away = seen(known, view(), unreachable={"pve1": "it does not answer"}, offers={"pve2": OFFER})
    assert (away["pve1"].silent, away["pve1"].objection) == ("it does not answer", "")
    local = seen(known, view(), source_on=lambda _: Source(Origin(900, "pve1", ("local-lvm",))))
    assert local["pve1"].objection == ""
    assert "local-lvm is not shared by the two nodes" in local["pve2"].objection
    nowhere = seen(known, view(), offers={name: Offer({}, frozenset()) for name in ("pve1", "pve2")})
    assert {one.objection for one in nowhere.values()} == {""}, "nothing is known"
    assert found["pve1"].shared == {"ceph"}


def test_a_storage_that_is_not_available_on_a_node_speaks_against_it(tmp_path: Path) -> None:
    known = catalog(tmp_path, storage_pool="ceph")
    look = view_of({"pve1": NodeState("pve1", storages={"local-lvm": GIB})}, {})
    assert seen(known, look)["pve1"].objection == "storage ceph is not available there"
