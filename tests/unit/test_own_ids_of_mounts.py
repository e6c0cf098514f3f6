"""Mounts with ids of their own, and interfaces whose addresses the node gives: declared, compared, refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.declaration import Network, Volume
from phoenix_worker.catalog.disk_ids import on_disk
from phoenix_worker.catalog.host_parts import BindMount
from phoenix_worker.core.allowed.versions import needing, too_old
from phoenix_worker.core.differs.diff import creation_config, diff, marker_for
from phoenix_worker.core.differs.root_only import root_diff
from phoenix_worker.core.model.marker import Stage
from tests.support.declared import DECLARED, NET0, seen
from tests.unit.catalog_files import clone, loaded, network, refusals, template

if TYPE_CHECKING:
    from pathlib import Path

IDS = "u:1000:1005:1;g:100:50:5"
VOLUME = {"pool": "tank", "size_gb": 8, "mount_point": "/data"}
MOUNT = {"host_path": "/srv", "container_path": "/srv"}


def problems(folder: Path, **keys: Any) -> list[str]:
    return [str(one) for one in refusals(folder, {"lxc_configs": {"103": template(**keys)}})]


@pytest.mark.parametrize(
    ("kind", "inside", "found"),
    [("u", 1000, 1005), ("u", 1001, None), ("g", 104, 54), ("g", 105, None), ("g", 1000, None)],
)
def test_an_id_inside_is_the_one_that_the_maps_say(kind: str, inside: int, found: int | None) -> None:
    assert on_disk(IDS, kind, inside) == found
    assert on_disk("passthrough", kind, inside) == inside


@pytest.mark.parametrize("ids", ["passthrough", IDS, "u:0:100000:65536", "u:0:0:1;u:1:1:1;g:0:0:1"])
def test_what_proxmox_takes_reaches_the_declaration(tmp_path: Path, ids: str) -> None:
    own = {"idmap": ids, "keepattrs": True}
    declared = loaded(tmp_path, {"103": template(volumes=[VOLUME | own], mount_points=[MOUNT | own])})[103]
    assert dict(declared.volumes[0].options) == {"keepattrs": "1", "idmap": ids}
    assert declared.bind_mounts[0].options == declared.volumes[0].options


@pytest.mark.parametrize(
    "ids",
    [
        *("passthrough;u:0:0:1", "u:0:0:0", "u:0:0", "u 0 0 1", "a:0:0:1", "u:0:0:1;", "u:0:0:1,g:0:0:1", "root"),
        *("u:-1:0:1", "u:0:0:1;;g:0:0:1"),
    ],
)
def test_what_is_in_another_form_is_refused(tmp_path: Path, ids: str) -> None:
    (problem,) = problems(tmp_path, volumes=[VOLUME | {"idmap": ids}])
    assert " is not which ids on the disk those inside are. Write " in problem
    written = re.search(r'Write ("u[^"]+")\.', problem)
    assert ("Write passthrough, or maps such as u:1000:" in problem) is (written is None)
    assert written is None or loaded(tmp_path, {"103": template(volumes=[VOLUME | {"idmap": json.loads(written[1])}])})


@pytest.mark.parametrize(
    ("ids", "side"),
    [("u:0:0:2;u:1:9:1", "inside"), ("g:5:0:1;g:0:9:6", "inside"), ("u:0:5:2;u:9:6:1", "on the disk")],
)
def test_an_id_with_two_maps_is_refused(tmp_path: Path, ids: str, side: str) -> None:
    (problem,) = problems(tmp_path, mount_points=[MOUNT | {"idmap": ids}])
    assert f"has an id {side} that is in" in problem


def test_in_a_privileged_container_they_would_have_no_effect_and_are_refused(tmp_path: Path) -> None:
    own: dict[str, Any] = {
        "mount_points": [MOUNT | {"idmap": IDS}],
        "volumes": [VOLUME, VOLUME | {"mount_point": "/b", "idmap": IDS}],
        "root_disk": {"idmap": IDS},
    }
    why = "has no effect in a privileged container. Remove it, or declare id_maps of the container."
    told = [f"CT 103: {where}.idmap {why}" for where in ("root_disk", "mount_points[0]", "volumes[1]")]
    assert problems(tmp_path, unprivileged=False, **own) == told
    maps = ["u 0 100000 65536", "g 0 100000 65536"]
    assert loaded(tmp_path, {"103": template(unprivileged=False, id_maps=maps, **own)})
    base = template(unprivileged=False)
    of_clone = refusals(tmp_path, {"lxc_configs": {"900": base, "103": clone(volumes=own["volumes"])}})
    assert [one.ctid for one in of_clone] == [103]


@pytest.mark.parametrize(
    ("options", "present", "owner"),
    [
        ((("idmap", IDS),), "", (1005, 50)),
        ((("idmap", "passthrough"),), "", (1000, 100)),
        ((), f",idmap={IDS}", (1005, 50)),
        ((), "", (101000, 100100)),
        ((("idmap", "u:0:7:1"),), "", (101000, 100100)),
    ],
)
def test_a_directory_belongs_to_whom_its_mount_says(
    options: tuple[tuple[str, str], ...], present: str, owner: tuple[int, int]
) -> None:
    wanted = replace(DECLARED, hash="h2", bind_mounts=(BindMount("/srv", "/srv", 1000, 100, options),))
    there = seen(unprivileged="1", mp0=f"/srv,mp=/srv{present}")
    (directory,) = root_diff(wanted, there).directories
    assert (directory.uid, directory.gid) == owner


def test_maps_in_another_order_are_the_same_and_others_wait_for_a_restart() -> None:
    wanted = replace(DECLARED, volumes=(Volume("tank", 8, "/data", (("keepattrs", "0"), ("idmap", IDS))),))
    there = "tank:vm-103-disk-1,mp=/data,idmap=g:100:50:5;u:1000:1005:1,size=8G"
    assert not diff(wanted, seen(mp0=there))
    changes = diff(wanted, seen(mp0=there.replace(":50:", ":60:")))
    assert changes.put == {"mp0": f"tank:vm-103-disk-1,mp=/data,idmap={IDS},keepattrs=0,size=8G"}
    assert changes.pending_when_running == ("mp0",)


MANAGED = f"{NET0},host-managed=1"


def test_whether_the_node_gives_addresses_is_kept_and_changed() -> None:
    assert DECLARED.network is not None
    on, off = (replace(DECLARED, network=replace(DECLARED.network, host_managed=one)) for one in (True, False))
    assert not diff(DECLARED, seen(net0=MANAGED)), "what is not declared stays"
    assert not diff(on, seen(net0=MANAGED))
    assert not diff(off, seen())
    assert "host-managed=0" in diff(off, seen(net0=MANAGED)).put["net0"]
    changes = diff(on, seen())
    assert "host-managed=1" in changes.put["net0"]
    assert changes.pending_when_running == ("net0",)
    moved = replace(DECLARED, network=replace(DECLARED.network, ip="10.0.0.11/24"))
    assert "host-managed=1" in diff(moved, seen(net0=MANAGED)).put["net0"]
    added = replace(on, more_networks=(Network("vmbr1", "eth1", ip="dhcp", host_managed=True),))
    assert diff(added, seen(net0=MANAGED)).pending_when_running == (), "one that is new is taken whole"


@pytest.mark.parametrize(("said", "part"), [(False, "host-managed=0"), (True, "host-managed=1"), (None, "")])
def test_a_new_container_is_told_because_of_images_it_is_done_without_a_word(*, said: bool | None, part: str) -> None:
    assert DECLARED.network is not None
    image = replace(DECLARED, clone_from=None, os_template="local:vztmpl/app.tar")
    wanted = replace(image, network=replace(DECLARED.network, host_managed=said))
    net0 = creation_config(wanted, marker_for(wanted, "c1", Stage.CONFIGURED))["net0"]
    assert (part in net0, "host-managed" in net0) == (True, said is not None)
    shown = net0 if said is not None else f"{net0},host-managed=1"
    assert "net0" not in diff(wanted, seen(net0=f"{shown},hwaddr={DECLARED.mac}")).put


def test_an_address_that_only_the_container_finds_out_is_refused(tmp_path: Path) -> None:
    auto = network(ip6="auto", host_managed=True)
    (problem,) = problems(tmp_path, network_config=auto)
    assert problem.endswith(
        "network_config has host_managed and the ip6 auto, which only the container itself can find out. "
        "Write dhcp or an address in ip6, or remove host_managed."
    )
    for other in ({"ip6": "dhcp"}, {"host_managed": False}, {"host_managed": None}, {"link_down": True}):
        assert loaded(tmp_path, {"103": template(network_config=auto | other)})


def test_a_proxmox_without_them_is_too_old(tmp_path: Path) -> None:
    keys: dict[str, Any] = {
        "network_config": network(host_managed=False),
        "volumes": [VOLUME | {"keepattrs": True, "mount_options": ["discard"]}],
        "mount_points": [MOUNT | {"idmap": "passthrough", "mount_options": ["noatime"]}],
        "root_disk": {"mount_options": ["discard"], "idmap": "passthrough"},
        "lxc_options": ["lxc.init.uid=1000", "lxc.init.cwd=/srv", "lxc.environment.hooks=A=1", "lxc.kmsg=0"],
    }
    wanted = loaded(tmp_path, {"103": template(**keys)})[103]
    needed = {
        "host_managed": (9, 1),
        "root_disk.idmap": (9, 1, 11),
        "root_disk.mount_options discard": (8, 2, 9),
        "volumes.keepattrs": (9, 1, 6),
        "volumes.mount_options discard": (8, 2, 9),
        "mount_points.idmap": (9, 1, 11),
        "lxc_options.lxc.init.uid": (9, 1, 6),
        "lxc_options.lxc.init.cwd": (9, 0),
        "lxc_options.lxc.environment.hooks": (9, 1),
    }
    assert dict(needing(wanted, has_shell=True)) == needed
    root = ["root_disk.idmap", "root_disk.mount_options discard"]
    without = ["host_managed", *root, "volumes.keepattrs", "volumes.mount_options discard"]
    assert [key for key, _ in needing(wanted, has_shell=False)] == without
    problem = too_old(wanted, needing(wanted, has_shell=True), (9, 1, 5))
    assert problem is not None
    assert problem.message.endswith("volumes.keepattrs needs Proxmox VE 9.1.6, and this is 9.1.5.")
    assert too_old(wanted, needing(wanted, has_shell=True), (9, 1, 11)) is None
    assert "host_managed" not in f"{problem.message}{problem.remedy}"
