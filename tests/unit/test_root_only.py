"""What only root may set: from the catalog to what is wanted, and what differs from what is there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_worker.catalog.host_parts import GPU_CONTROL_DEVICES, BindMount, DeviceNode
from phoenix_worker.catalog.id_maps import UNPRIVILEGED, IdMaps
from phoenix_worker.core.differs.diff import diff
from phoenix_worker.core.differs.root_only import HostDirectory, applied, root_diff
from phoenix_worker.core.differs.unchangeable import needs_rebuild
from phoenix_worker.core.model.errors import PermanentError
from tests.support.declared import DECLARED, seen
from tests.unit.catalog_files import loaded, refusals, template, warnings

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation

SRV = BindMount("/tank/media", "/srv/media")
GPU_0 = ("/dev/nvidia0", *GPU_CONTROL_DEVICES)


def declared(tmp_path: Path, **keys: Any) -> Declaration:
    return loaded(tmp_path, {"103": template(**keys)})[103]


# From the catalog


def test_raw_lines_come_in_one_spelling_and_each_once(tmp_path: Path) -> None:
    keys = {
        "lxc_options": [
            "lxc.cap.keep=sys_admin, net_raw", "lxc.mount.auto: sys:rw", "lxc.mount.auto:sys:rw", "lxc.cap.drop:",
            "lxc.apparmor.profile = unconfined", "lxc.environment=A=B,C",
        ],
        "apparmor_profile": "unconfined",
        "apparmor_manages_nesting": True,
        "id_maps": ["u 0 100000 65536", "g 0 100000 65536"],
    }  # fmt: skip
    assert declared(tmp_path, **keys).raw_lines == (
        ("lxc.cap.keep", "sys_admin"),
        ("lxc.cap.keep", "net_raw"),
        ("lxc.mount.auto", "sys:rw"),
        ("lxc.cap.drop", ""),
        ("lxc.apparmor.profile", "unconfined"),
        ("lxc.environment", "A=B,C"),
        ("lxc.apparmor.allow_nesting", "1"),
        ("lxc.idmap", "u 0 100000 65536"),
        ("lxc.idmap", "g 0 100000 65536"),
    )


@pytest.mark.parametrize(
    ("assignment", "devices"),
    [
        ("0", GPU_0),
        ("1, 0", ("/dev/nvidia1", "/dev/nvidia0", *GPU_CONTROL_DEVICES)),
        ("none", ()),
        (None, None),
    ],
)
def test_a_gpu_is_its_device_and_the_control_devices(tmp_path: Path, assignment: str | None, devices: object) -> None:
    assert declared(tmp_path, gpu_assignment=assignment).devices == devices


def test_paths_come_in_one_spelling(tmp_path: Path) -> None:
    mount = {"host_path": "//tank//media/", "container_path": "/srv/media/", "owner_gid": 33}
    assert declared(tmp_path, mount_points=[mount]).bind_mounts == (replace(SRV, owner_gid=33),)


@pytest.mark.parametrize("path", ["/srv/../etc", "/srv/.", "/./srv", "/.."])
def test_no_path_leads_elsewhere(tmp_path: Path, path: str) -> None:
    mount = {"host_path": path, "container_path": "/srv"}
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(mount_points=[mount])}})
    assert "is not an absolute path" in refusal.problem


@pytest.mark.parametrize("key", ["host_path", "container_path"])
@pytest.mark.parametrize("path", ["/srv ", "/srv /"])
def test_a_path_has_no_blank_at_its_end(tmp_path: Path, key: str, path: str) -> None:
    """Read back without it, the mount would be missing for ever, and a volume be made anew each time."""
    mount = {"host_path": "/tank", "container_path": "/srv", key: path}
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(mount_points=[mount])}})
    assert f'{key} "{path}" ends in a blank' in refusal.problem


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"lxc_options": ["lxc.apparmor.profile=a"], "apparmor_profile": "b"}, 'two AppArmor profiles: "a" and "b"'),
        (
            {
                "mount_points": [{"host_path": "/a", "container_path": "/srv/"}],
                "volumes": [{"name": "v", "pool": "tank", "size_gb": 1, "mount_point": "/srv"}],
            },
            'Two mounts share the path "/srv"',
        ),
        (
            {
                "id_maps": ["u 0 100000 1000"],
                "mount_points": [{"host_path": "/a", "container_path": "/a", "owner_uid": 1000}],
            },
            "id_maps does not cover owner_uid 1000",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, keys: dict[str, Any], problem: str) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(**keys)}})
    assert problem in refusal.problem


def test_a_raw_key_that_proxmox_drops_is_told_and_left_out(tmp_path: Path) -> None:
    entry = template(lxc_options=["lxc.nonsense=1", "lxc.cgroup2.devices.allow=c 195:* rwm", "lxc.rootfs.path=/x"])
    catalog = loaded(tmp_path, {"103": entry})
    assert catalog[103].raw_lines == (("lxc.cgroup2.devices.allow", "c 195:* rwm"),)
    assert [line.split(":")[1] for line in catalog[103].not_applied] == [" lxc.nonsense", " lxc.rootfs.path"]
    assert [str(advice).split(" has")[0] for advice in catalog.warnings] == [
        "CT 103: lxc.nonsense", "CT 103: lxc.rootfs.path",
    ]  # fmt: skip


def test_a_directory_in_one_that_another_container_has_is_warned_of(tmp_path: Path) -> None:
    outer, inner = ({"host_path": path, "container_path": "/srv"} for path in ("/tank", "/tank/media"))
    configs = {"103": template(mount_points=[outer]), "104": template(name="b", mount_points=[inner])}
    (advice,) = warnings(tmp_path, configs)
    assert (advice.ctid, '"/tank/media" lies in "/tank"' in advice.problem) == (104, True)


# What differs


def changes(present: dict[str, str], **fields: Any) -> dict[str, str]:
    return root_diff(replace(DECLARED, **fields), seen(**present)).put


def lxc(*lines: tuple[str, str]) -> str:
    return json.dumps(lines)


@pytest.mark.parametrize(
    ("present", "wanted"),
    [
        ("nesting=1", "keyctl=1,mount=nfs;cifs,nesting=1"),
        ("nesting=1,keyctl=1,mount=cifs;nfs", None),
        ("fuse=1,keyctl=1,mount=nfs;cifs", None),
        ("fuse=1,keyctl=0", "fuse=1,keyctl=1,mount=nfs;cifs,nesting=1"),
    ],
)
def test_features_of_root_are_set_with_the_others(present: str, wanted: str | None) -> None:
    put = changes({"features": present}, root_features=("keyctl=1", "mount=nfs;cifs", "mknod=0"))
    assert put.get("features") == wanted


def test_a_device_is_found_at_any_number_and_with_options() -> None:
    there = {f"dev{number + 3}": f"{path},gid=44" for number, path in enumerate(GPU_0)} | {"dev1": "/dev/dri/card0"}
    assert not root_diff(replace(DECLARED, devices=GPU_0), seen(**there))
    found = root_diff(replace(DECLARED, devices=("/dev/nvidia1", *GPU_CONTROL_DEVICES)), seen(**there))
    assert (found.put, found.delete) == ({"dev0": "/dev/nvidia1"}, ("dev3",))
    assert found.pending_when_running == ("dev3",), "a new one is plugged in, an old one stays until the next start"
    none = root_diff(replace(DECLARED, devices=()), seen(**there))
    assert (none.put, none.delete) == ({}, ("dev3", "dev4", "dev5", "dev6"))
    assert not root_diff(DECLARED, seen(**there)), "not declared, not touched"


def test_a_bind_mount_is_known_by_its_place() -> None:
    wanted = replace(DECLARED, bind_mounts=(SRV, BindMount("/b", "/b")))
    found = root_diff(wanted, seen(mp0="/old,mp=/srv/media/,ro=1", mp2="/mine,mp=/mine"))
    assert found.put == {"mp0": "/tank/media,mp=/srv/media/,ro=1", "mp1": "/b,mp=/b"}
    assert found.pending_when_running == ("mp0",)


def test_a_volume_is_never_replaced_by_a_bind_mount() -> None:
    wanted = replace(DECLARED, bind_mounts=(SRV,))
    there = seen(mp0="local-lvm:vm-103-disk-1,mp=/srv/media,size=8G", unprivileged="1")
    assert not root_diff(wanted, there)
    (told,) = needs_rebuild(wanted, there)
    volume = "its volume mp0 (local-lvm:vm-103-disk-1) is mounted at /srv/media"
    assert f"{volume}, the catalog declares a bind mount of /tank/media there" in told


def test_lines_of_a_declared_key_are_exactly_those() -> None:
    wanted = replace(DECLARED, raw_lines=(("lxc.cap.keep", "a"), ("lxc.cap.keep", "b"), ("lxc.mount.auto", "sys:rw")))
    there = seen(
        lxc=lxc(("lxc.cap.keep", "b"), ("lxc.autodev", "1"), ("lxc.cap.keep", "a"), ("lxc.mount.auto", "sys:rw"))
    )
    found = root_diff(wanted, there)
    assert found.raw == {"lxc.cap.keep": ("a", "b")}
    assert [(change.key, change.old, change.new) for change in found.changes] == [("lxc.cap.keep", "b | a", "a | b")]
    assert found.pending_when_running == ("lxc.cap.keep",)


@pytest.mark.parametrize(
    ("mount", "maps", "present", "owner"),
    [
        (SRV, (), {"unprivileged": "1"}, (100000, 100000, False)),
        (replace(SRV, owner_uid=33), (), {"unprivileged": "1"}, (100033, 100000, True)),
        (replace(SRV, owner_gid=33), (), {}, (0, 33, True)),
        (replace(SRV, owner_uid=1000), ("u 0 100000 1000", "u 1000 1000 1", "g 0 200000 9"), {}, (1000, 200000, True)),
        (SRV, (), {"lxc": lxc(("lxc.idmap", "u 0 7 1"), ("lxc.idmap", "g 0 8 1"))}, (7, 8, False)),
    ],
)
def test_directories_belong_to_the_ids_that_the_container_has_on_the_node(
    mount: BindMount, maps: tuple[str, ...], present: dict[str, str], owner: tuple[int, int, bool]
) -> None:
    wanted = replace(DECLARED, bind_mounts=(mount,), raw_lines=tuple(("lxc.idmap", line) for line in maps))
    assert root_diff(wanted, seen(**present)).directories == (HostDirectory("/tank/media", *owner),)


def test_an_owner_without_an_id_on_the_node_is_an_error() -> None:
    wanted = replace(DECLARED, bind_mounts=(replace(SRV, owner_uid=70000),))
    with pytest.raises(PermanentError, match="user 70000 of the container") as caught:
        root_diff(wanted, seen(unprivileged="1"))
    assert caught.value.cause == "no-such-id"


def test_directories_are_looked_after_when_the_declaration_is_another_one() -> None:
    wanted = replace(DECLARED, bind_mounts=(SRV,))
    there = seen(mp0="/tank/media,mp=/srv/media")
    assert root_diff(wanted, there).directories == ()
    assert root_diff(replace(wanted, hash="h2"), there).directories


def test_ids_outside_the_maps_have_none() -> None:
    assert UNPRIVILEGED.on_node("g", 65535) == 165535
    assert UNPRIVILEGED.on_node("u", 65536) is None
    assert IdMaps().on_node("u", 5) == 5


RENDER = {"path": "/dev/dri/renderD128", "gid": 44, "mode": "0660", "deny_write": True}
RENDERED = "/dev/dri/renderD128,deny-write=1,gid=44,mode=0660"


def test_devices_are_known_by_their_path_and_take_the_numbers_that_gpus_leave(tmp_path: Path) -> None:
    wanted = declared(tmp_path, devices=[RENDER, {"path": "/dev/nvidia0"}], gpu_assignment="0")
    assert wanted.needs_shell == ("gpu_assignment", "devices")
    found = root_diff(wanted, seen(dev1="/dev/kvm"))
    paths = ["/dev/nvidia0", *GPU_CONTROL_DEVICES, RENDERED]
    assert found.put == dict(zip(("dev0", "dev2", "dev3", "dev4", "dev5"), paths, strict=True))
    assert found.pending_when_running == (), "a new one is plugged in"


def test_another_way_to_have_a_device_keeps_the_rest_and_waits_for_a_restart(tmp_path: Path) -> None:
    wanted = declared(tmp_path, devices=[RENDER])
    found = root_diff(wanted, seen(dev7="/dev/dri/renderD128,gid=993,uid=1000"))
    assert found.put == {"dev7": "/dev/dri/renderD128,deny-write=1,gid=44,mode=0660,uid=1000"}
    assert found.pending_when_running == ("dev7",)
    plain = declared(tmp_path, devices=[{"path": "/dev/dri/renderD128", "uid": 0, "deny_write": False}])
    assert not root_diff(plain, seen(dev7="/dev/dri/renderD128,gid=993,mode=0600")), "so anyhow, or not declared"


def test_a_gpu_that_is_a_device_is_not_taken_away(tmp_path: Path) -> None:
    wanted = declared(tmp_path, devices=[{"path": "/dev/nvidia1"}], gpu_assignment="none")
    found = root_diff(wanted, seen(dev0="/dev/nvidia0", dev1="/dev/nvidia1"))
    assert (found.put, found.delete) == ({}, ("dev0",))


def test_a_device_is_declared_once(tmp_path: Path) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(devices=[RENDER, {"path": RENDER["path"]}])}})
    assert refusal.problem == 'The device "/dev/dri/renderD128" is declared twice.'


# Whatever is there and whatever is declared

PATHS = st.sampled_from(["/a", "/b", "/srv/media"])
KEYS = st.sampled_from(["lxc.cap.keep", "lxc.autodev", "lxc.mount.auto", "lxc.apparmor.profile"])
LINES = st.lists(st.tuples(KEYS, st.sampled_from(["a", "b"])), max_size=5)
FEATURES = st.lists(st.sampled_from(["keyctl=1", "keyctl=0", "fuse=1", "mount=nfs;cifs", "mount=cifs"]), max_size=3)
HOW = st.sampled_from([(), (("ro", "1"),), (("ro", "0"), ("mountoptions", "nodev"))])
DECLARATIONS = st.builds(
    replace,
    st.just(DECLARED),
    features=st.sampled_from([(), ("nesting=1",), ("nesting=0",)]),
    root_features=FEATURES.map(tuple),
    devices=st.none() | st.sampled_from([(), GPU_0, ("/dev/nvidia0", "/dev/nvidia1", *GPU_CONTROL_DEVICES)]),
    device_nodes=st.lists(
        st.builds(
            DeviceNode,
            st.sampled_from(["/dev/nvidia0", "/dev/dri/card0"]),
            st.sampled_from([(), (("gid", "44"), ("mode", "0660")), (("uid", "0"), ("deny-write", "0"))]),
        ),
        max_size=2,
        unique_by=lambda node: node.path,
    ).map(tuple),
    bind_mounts=st.lists(
        st.builds(BindMount, PATHS, PATHS, options=HOW), max_size=3, unique_by=lambda one: one.container_path
    ).map(tuple),
    raw_lines=LINES.map(lambda lines: tuple(dict.fromkeys(lines))),
)
DEVICES = st.dictionaries(
    st.sampled_from(["dev0", "dev1", "dev7"]),
    st.sampled_from(
        [*GPU_0, "/dev/nvidia1", "/dev/kvm,mode=0660", "/dev/dri/card0,gid=44", "mode=0600,path=/dev/dri/card0"]
    ),
)
MOUNTS = st.dictionaries(
    st.sampled_from(["mp0", "mp1", "mp9"]),
    st.builds(
        "{},{}mp={}".format,
        PATHS | st.just("local-lvm:vm-103-disk-1"),
        st.sampled_from(["", "ro=1,", "mountoptions=noatime,shared=1,"]),
        PATHS,
    ),
)


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    there = draw(DEVICES) | draw(MOUNTS)
    there["features"] = draw(FEATURES.map(",".join))
    return seen(**there, lxc=json.dumps(draw(LINES)))


@given(DECLARATIONS, observations())
def test_what_is_applied_leaves_no_difference_and_takes_nothing_from_others(
    wanted: Declaration, there: Observation
) -> None:
    found = root_diff(wanted, there)
    after = applied(there, found)
    assert not root_diff(wanted, after)
    assert diff(wanted, after).put == diff(wanted, there).put, "the rest is as if it were done"
    ours = {key for key, _ in wanted.raw_lines}
    kept = [line for line in json.loads(there.config["lxc"]) if line[0] not in ours]
    assert [list(line) for line in json.loads(after.config["lxc"]) if line[0] not in ours] == [
        list(one) for one in kept
    ]
    for key, value in there.config.items():
        if value.startswith(("local-lvm", "/dev/kvm")):
            assert after.config[key] == value
