"""Names of Proxmox's own are refused with the key that is meant; what is data for scripts is listed once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from phoenix_worker.catalog.entry import Entry
from phoenix_worker.catalog.foreign_keys import is_proxmox_own
from phoenix_worker.catalog.loading import load
from tests.unit.catalog_files import DEFAULTS, loaded, network, refusals, template

USERS = Path(__file__).parents[1] / "data" / "a_users_file.json"

RENAMED: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"memory": 512}, 'Write "memory_mb": 512 in its place.', {"memory_mb": 512}),
    ({"memory": "512"}, 'Write "memory_mb": 512 in its place.', {"memory_mb": 512}),
    ({"memory": "half"}, "Write memory_mb in its place.", {"memory_mb": 512}),
    ({"memory": 512, "memory_mb": 64}, "Remove it: memory_mb is there.", {"memory_mb": 64}),
    ({"swap": 0}, 'Write "swap_mb": 0 in its place.', {"swap_mb": 0}),
    ({"hostname": "x"}, "Remove it: name is there.", {}),
    ({"onboot": 1}, 'Write "start_at_boot": true in its place.', {"start_at_boot": True}),
    ({"onboot": False}, 'Write "start_at_boot": false in its place.', {"start_at_boot": False}),
    ({"ostemplate": "local:vztmpl/x.tar.zst"}, "Remove it: template is there.", {}),
    (
        {"startup": "order=1,up=5,down=30"},
        'Write "boot_order": 1, "boot_delay": 5, "boot_down_delay": 30 in its place.',
        {"boot_order": 1, "boot_delay": 5, "boot_down_delay": 30},
    ),
    (
        {"startup": "5"},
        'Write "boot_order": 5 in its place.',
        {"boot_order": 5},
    ),
    ({"startup": "3,up=30"}, '"boot_order": 3, "boot_delay": 30 in', {"boot_order": 3, "boot_delay": 30}),
    (
        {"startup": {"order": 3, "up_delay": 60}},
        'Write "boot_order": 3, "boot_delay": 60 in its place.',
        {"boot_order": 3, "boot_delay": 60},
    ),
    (
        {"startup": "order=first"},
        "Write boot_order, boot_delay and boot_down_delay in its place.",
        {"boot_order": 5, "boot_delay": 0, "boot_down_delay": 0},
    ),
    ({"searchdomain": "lan"}, 'Write "search_domain": "lan" in its place.', {"search_domain": "lan"}),
    ({"cpulimit": "1.5"}, 'Write "cpu_limit": 1.5 in its place.', {"cpu_limit": 1.5}),
    ({"cpulimit": 2}, 'Write "cpu_limit": 2 in its place.', {"cpu_limit": 2}),
    ({"cpuunits": 50}, 'Write "cpu_units": 50 in its place.', {"cpu_units": 50}),
    ({"env": "A=1"}, "Remove it. On the node: pct set 103 --env …", {}),
    (
        {"env": "A=1\0B=x=y", "template": "oci://alpine:3"},
        'Write "environment": {"A": "1", "B": "x=y"}',
        {"environment": {"A": "1", "B": "x=y"}, "template": "oci://alpine:3"},
    ),
    (
        {"env": ["A=1"], "template": "oci://alpine:3"},
        'Write "environment": {"A": "1"} in its place.',
        {"environment": {"A": "1"}, "template": "oci://alpine:3"},
    ),
    ({"ostype": "alpine"}, 'Write "os_type": "alpine" in its place.', {"os_type": "alpine"}),
    (
        {"rootfs": "local-lvm:8,acl=1"},
        'Write "storage_pool": "local-lvm", "storage_size_gb": 8, "root_disk": {"acl": true} in its place.',
        {"storage_pool": "local-lvm", "storage_size_gb": 8, "root_disk": {"acl": True}},
    ),
    (
        {"rootfs": "volume=tank:vm-103-disk-0,mountoptions=noatime;discard,size=16G", "storage_pool": "tank"},
        'Write "storage_size_gb": 16, "root_disk": {"mount_options": ["noatime", "discard"]} in its place.',
        {
            "storage_pool": "tank",
            "storage_size_gb": 16,
            "root_disk": {"mount_options": ["noatime", "discard"]},
        },
    ),
    (
        {"rootfs": {"storage": "tank", "size": "8G", "quota": False}},
        'Write "storage_pool": "tank", "storage_size_gb": 8, "root_disk": {"quota": false} in its place.',
        {"storage_pool": "tank", "storage_size_gb": 8, "root_disk": {"quota": False}},
    ),
    (
        {"rootfs": "local-lvm:32G"},
        'Write "storage_pool": "local-lvm", "storage_size_gb": 32 in its place.',
        {"storage_pool": "local-lvm", "storage_size_gb": 32},
    ),
    (
        {"rootfs": "local-lvm:0.5"},
        "Write storage_pool, storage_size_gb and root_disk in its place.",
        {"storage_size_gb": 1},
    ),
    ({"storage": "tank"}, 'Write "storage_pool": "tank" in its place.', {"storage_pool": "tank"}),
    ({"start": 1}, 'Write "state": "running" in its place.', {"state": "running"}),
    ({"start": False}, 'Write "state": "stopped" in its place.', {"state": "stopped"}),
    ({"ha-managed": 1}, 'Write "ha": true in its place.', {"ha": True}),
    ({"force": True}, "Remove it: nothing is overwritten, and no backup restored.", {}),
    ({"bwlimit": 1024}, "Remove it: it is for one order, and nothing of it is kept.", {}),
    (
        {"nameserver": "9.9.9.9"},
        "Write nameservers in network_config",
        {"network_config": network(nameservers="9.9.9.9")},
    ),
    ({"net0": "name=eth0,bridge=vmbr0"}, "Write network_config, and remove it.", {"network_config": network()}),
    ({"net1": {"bridge": "vmbr1"}}, "Write it in networks, and remove it.", {"networks": [{"bridge": "vmbr1"}]}),
    ({"mp0": "tank:8,mp=/x"}, "Write it in volumes or in mount_points, and remove it.", {}),
    ({"dev0": "/dev/net/tun"}, "Write it in devices,", {"devices": [{"path": "/dev/net/tun"}]}),
    (
        {"net0": "name=eth0,bridge=vmbr1,hwaddr=BC:24:11:00:00:01,ip=manual,type=veth"},
        '"network_config": {"name": "eth0", "bridge": "vmbr1", "ip": "manual"}, "mac_address": "BC:24:11:00:00:01".',
        {"network_config": {"name": "eth0", "bridge": "vmbr1", "ip": "manual"}, "mac_address": "BC:24:11:00:00:01"},
    ),
    (
        {"net2": "name=eth2,bridge=vmbr1,tag=7"},
        'There it is {"name": "eth2", "bridge": "vmbr1", "vlan": 7}, an item of networks.',
        {"networks": [{"name": "eth2", "bridge": "vmbr1", "vlan": 7}]},
    ),
    (
        {"mp1": "/srv/a,mp=/srv,ro=1"},
        '{"host_path": "/srv/a", "container_path": "/srv", "read_only": true}, an item of mount_points.',
        {"mount_points": [{"host_path": "/srv/a", "container_path": "/srv", "read_only": True}]},
    ),
    (
        {"mp0": "tank:8,mp=/x"},
        'There it is {"pool": "tank", "size_gb": 8, "mount_point": "/x"}, an item of volumes.',
        {"volumes": [{"pool": "tank", "size_gb": 8, "mount_point": "/x"}]},
    ),
    (
        {"mp3": "tank:103/vm-103-disk-1.raw,mp=/x,backup=1,size=512M"},
        'There it is {"pool": "tank", "size": "512M", "mount_point": "/x", "backup": true}, an item of volumes.',
        {"volumes": [{"pool": "tank", "size": "512M", "mount_point": "/x", "backup": True}]},
    ),
    ({"mp3": "tank:vm-100-disk-1,mp=/x,size=8G"}, "Write it in volumes or in mount_points, and remove it.", {}),
    (
        {"dev1": {"path": "/dev/net/tun", "mode": "0666"}},
        'There it is {"path": "/dev/net/tun", "mode": "0666"}, an item of devices.',
        {"devices": [{"path": "/dev/net/tun", "mode": "0666"}]},
    ),
    ({"lxc.cap.keep": "x"}, "Write its lines in lxc_options, and remove it.", {"lxc_options": ["lxc.cap.keep=x"]}),
    ({"debug": True}, "Remove it. On the node: pct set 103 --debug …", {}),
    (
        {"ssh-public-keys": "ssh-ed25519 AAAA me"},
        'Write "ssh_public_keys": ["ssh-ed25519 AAAA me"] in its place.',
        {"ssh_public_keys": ["ssh-ed25519 AAAA me"]},
    ),
]


@pytest.mark.parametrize(("keys", "remedy", "followed"), RENAMED)
def test_a_name_of_proxmox_is_refused_and_its_remedy_loads(
    tmp_path: Path, keys: dict[str, Any], remedy: str, followed: dict[str, Any]
) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(**keys)}})
    key = next(iter(keys))
    assert refusal.problem == f"{key} is a name of Proxmox's own and would have no effect."
    assert remedy in refusal.remedy
    assert "hunter2" not in str(refusal)
    catalog = loaded(tmp_path, {"103": template(**followed)})
    assert catalog.warnings == ()


OPTIONS = """
cpulimit cpuunits debug dev0 env hostname lock lxc memory mp255 nameserver net31 onboot ostype parent rootfs
searchdomain snaptime startup swap unused0 bwlimit force ha-managed ignore-unpack-errors ostemplate restore
ssh-public-keys start storage unique vmid
"""
"""Of `PVE/LXC/Config.pm`, and of the order that makes a container (`PVE/API2/LXC.pm`)."""


@pytest.mark.parametrize("key", OPTIONS.split())
def test_every_option_of_a_container_that_is_no_key_of_ours_is_known(key: str) -> None:
    assert is_proxmox_own(key)


@pytest.mark.parametrize(
    "key", ["network", "device", "mp", "dev", "net", "unused", "ports", "environment", "log_level", "net_1"]
)
def test_what_only_looks_like_one_is_for_scripts(tmp_path: Path, key: str) -> None:
    assert loaded(tmp_path, {"103": template(**{key: 1})}).for_scripts == {key: (103,)}


@pytest.mark.parametrize(
    "key", ["arch", "cmode", "console", "entrypoint", "hookscript", "protection", "timezone", "tty"]
)
def test_an_option_that_is_a_key_of_ours_by_the_same_name_is_none_of_them(key: str) -> None:
    assert key in Entry.model_fields
    assert not is_proxmox_own(key)


@pytest.mark.parametrize(
    ("key", "ours"),
    [
        ("hwaddr", "mac_address"),
        ("ip", "network_config"),
        ("host-managed", "network_config"),
        ("nesting", "pct_options"),
        ("network_interface", "network_config"),
        ("mountPoint", "mount_points or volumes"),
        ("device_passthrough", "devices"),
        ("started", "state"),
        ("mounts", "mount_points or volumes"),
        ("full", "clone"),
        ("pubkey", "ssh_public_keys"),
        ("netif", "network_config, with networks for further interfaces,"),
    ],
)
def test_the_name_of_another_tool_is_warned_of_with_ours(tmp_path: Path, key: str, ours: str) -> None:
    catalog = loaded(tmp_path, {"103": template(**{key: "x"})})
    assert [(advice.problem, advice.remedy) for advice in catalog.warnings] == [
        (f'"{key}" has no effect.', f"{ours} was probably meant.")
    ]
    assert catalog.for_scripts == {key: (103,)}


def test_what_catalogs_in_use_have_for_their_scripts_is_applied_too() -> None:
    catalog = load(USERS, DEFAULTS)
    assert "timezone" not in catalog.for_scripts
    assert catalog[952].options == (("timezone", "Europe/Berlin"),)
    assert catalog[952].source["timezone"] == "Europe/Berlin"


def test_what_only_scripts_get_is_listed_with_its_ctids(tmp_path: Path) -> None:
    catalog = loaded(
        tmp_path, {"103": template(ports=[80], vllm_port=8000), "104": template(ports=[81], tests=None, memroy_mb=1)}
    )
    assert catalog.for_scripts == {"memroy_mb": (104,), "ports": (103, 104), "vllm_port": (103,)}
