"""Every option of a container in Proxmox (pve-container 6.1.10): a key of ours, or refused; and none is ever lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from phoenix_worker.catalog import proxmox_forms
from phoenix_worker.catalog.declaration import Network, Volume
from phoenix_worker.catalog.entry import Entry
from phoenix_worker.catalog.host_parts import BindMount, DeviceNode
from phoenix_worker.core.differs import root_only
from phoenix_worker.core.differs.diff import diff
from phoenix_worker.core.model import property_string
from tests.support.declared import DECLARED, seen
from tests.unit.catalog_files import loaded, template
from tests.unit.test_followed import told

SCHEMA = json.loads((Path(__file__).parents[1] / "data" / "pve_container_options.json").read_text())
PARTS: dict[str, dict[str, str]] = SCHEMA["parts"]
TO_COME = {"of-a-version-to-come": "1"}


def written(parts: dict[str, str], *first: str) -> str:
    return ",".join([*first, *(f"{name}={value}" for name, value in parts.items())])


@pytest.mark.parametrize(("key", "value"), SCHEMA["options"].items())
def test_one_is_a_key_of_ours_or_refused_with_what_to_do(tmp_path: Path, key: str, value: str) -> None:
    entry = template(**{key: value})
    if refused := told(tmp_path, entry):
        assert [refusal.ctid for refusal in refused] == [103]
        assert refused[0].remedy
    else:
        assert key in Entry.model_fields
        assert loaded(tmp_path, {"103": entry}).for_scripts == {}


def test_each_part_of_an_interface_is_read_into_a_key() -> None:
    (read,) = (proxmox_forms.networks({"networks": written(PARTS["net"])}) or {})["networks"]
    assert len(read) == len(PARTS["net"]) - len(["type"])


@pytest.mark.parametrize(("form", "extra"), [(proxmox_forms.volumes, "tank:8"), (proxmox_forms.mount_points, "/srv")])
def test_each_part_of_a_mount_is_read_into_a_key(form: object, extra: str) -> None:
    key = "volumes" if extra == "tank:8" else "mount_points"
    assert callable(form)
    (read,) = form({key: written(PARTS["mp"], extra)})[key]
    size_alone = 1 if key == "volumes" else 0  # the size is that of the order
    assert len(read) == len(PARTS["mp"]) + size_alone


NETWORK = written(PARTS["net"] | TO_COME)
MOUNT = PARTS["mp"] | TO_COME


@pytest.mark.parametrize(
    "change", [{"vlan": 9}, {"ip": "10.0.9.6/24", "gw": "10.0.9.1"}, {"firewall": False}, {"rate": 1.0}]
)
def test_an_interface_keeps_what_is_not_declared_of_it(change: dict[str, object]) -> None:
    lan = replace(Network("vmbr0", "eth1", ip="10.0.9.5/24", gw="10.0.9.1"), **change)  # type: ignore[arg-type] # parametrised
    put = diff(replace(DECLARED, more_networks=(lan,)), seen(net1=NETWORK)).put["net1"]
    before, after = property_string.parse(NETWORK), property_string.parse(put)
    proxmox_names = {"vlan": "tag"}
    touched = {proxmox_names.get(name, name) for name in change}
    assert {name: value for name, value in after.items() if name not in touched} == {
        name: value for name, value in before.items() if name not in touched
    }
    assert all(before[name] != after[name] for name in touched - {"gw"})


@pytest.mark.parametrize("option", [("ro", "0"), ("backup", "0"), ("keepattrs", "0"), ("idmap", "passthrough")])
@pytest.mark.parametrize("volume", ["tank:vm-103-disk-1", "/srv"])
def test_a_mount_keeps_what_is_not_declared_of_it(option: tuple[str, str], volume: str) -> None:
    name, value = option
    there = written(MOUNT, volume)
    if volume.startswith("/"):
        wanted = replace(DECLARED, bind_mounts=(BindMount("/srv", "/data", options=(option,)),))
        put = root_only.root_diff(wanted, seen(mp0=there)).put["mp0"]
    else:
        wanted = replace(DECLARED, volumes=(Volume("tank", 8, "/data", (option,)),))
        put = diff(wanted, seen(mp0=there)).put["mp0"]
    after = property_string.parse(put, "volume")
    assert after == {"volume": volume} | MOUNT | {name: value}


@pytest.mark.parametrize("option", [("uid", "2"), ("mode", "0666"), ("deny-write", "0")])
def test_a_device_keeps_what_is_not_declared_of_it(option: tuple[str, str]) -> None:
    there = PARTS["dev"] | TO_COME
    wanted = replace(DECLARED, device_nodes=(DeviceNode("/dev/kvm", (option,)),))
    put = root_only.root_diff(wanted, seen(dev3=written(there, "/dev/kvm"))).put
    assert property_string.parse(put["dev3"], "path") == {"path": "/dev/kvm"} | there | dict([option])


def test_features_keep_what_is_not_declared_of_them() -> None:
    there = PARTS["features"] | TO_COME
    by_root = root_only.root_diff(replace(DECLARED, root_features=("fuse=0",)), seen(features=written(there))).put
    assert property_string.parse(by_root["features"]) == there | {"fuse": "0"}
    by_token = diff(replace(DECLARED, features=("nesting=0",)), seen(features=written(there))).put
    assert property_string.parse(by_token["features"]) == there | {"nesting": "0"}


def test_the_root_disk_keeps_all_of_it_when_it_grows() -> None:
    there = written({name: value for name, value in MOUNT.items() if name != "mp"}, "local-lvm:vm-103-disk-0")
    changes = diff(DECLARED, seen(rootfs=there))
    assert changes.grow == {"rootfs": 16}
    assert "rootfs" not in changes.put
