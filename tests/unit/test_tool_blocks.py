"""What Terraform, Pulumi and Ansible have in blocks is warned of with all that says the same here, and that loads."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.entry import Entry
from phoenix_worker.catalog.findings import CatalogError, Refusal
from phoenix_worker.catalog.foreign_values import OF_OTHER_TOOLS, OF_PROXMOX
from phoenix_worker.catalog.other_tools import meant, written
from phoenix_worker.catalog.tool_blocks import BLOCKS
from tests.unit.catalog_files import loaded, refusals
from tests.unit.following import followed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phoenix_worker.catalog.findings import Finding

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey me"
STATIC = {"ipv4": {"address": "10.0.0.5/24", "gateway": "10.0.0.1"}, "ipv6": [{"address": "auto"}]}
WHOLE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"cpu": {"cores": 2, "units": 512, "limit": 1.5, "architecture": "arm64"}},
        {"cores": 2, "cpu_units": 512, "cpu_limit": 1.5, "arch": "arm64"},
    ),
    ({"cpu": "4"}, {"cores": 4}),
    (
        {"disk": [{"datastore_id": "tank", "size": "8G", "quota": False, "mount_options": ["discard"]}]},
        {
            "storage_pool": "tank",
            "storage_size_gb": 8,
            "root_disk": {"quota": False, "mount_options": ["discard"]},
        },
    ),
    ({"disk": "tank:8,acl=1"}, {"storage_pool": "tank", "storage_size_gb": 8, "root_disk": {"acl": True}}),
    ({"disk": 8}, {"storage_size_gb": 8}),
    ({"disk_volume": {"storage": "tank", "size": 12}}, {"storage_pool": "tank", "storage_size_gb": 12}),
    (
        {"operating_system": {"template_file_id": "local:vztmpl/x.tar.zst", "type": "debian"}},
        {"template": "local:vztmpl/x.tar.zst", "os_type": "debian"},
    ),
    ({"device_passthrough": {"path": "/dev/net/tun", "gid": 44}}, {"devices": [{"path": "/dev/net/tun", "gid": 44}]}),
    (
        {"idmap": [{"type": "uid", "container_id": 0, "host_id": 100000, "size": 65536}]},
        {"id_maps": ["u 0 100000 65536", "g 0 100000 65536"]},
    ),
    (
        {"network": {"name": "eth0", "bridge": "vmbr1", "ip": "dhcp", "hwaddr": "BC:24:11:00:00:01", "tag": "7"}},
        {
            "network_config": {"bridge": "vmbr1", "name": "eth0", "ip": "dhcp", "vlan": 7},
            "mac_address": "BC:24:11:00:00:01",
        },
    ),
    (
        {"networkInterfaces": [{"name": "eth0", "vlanId": 0, "rateLimit": 5}, {"name": "eth1", "enabled": False}]},
        {
            "network_config": {"bridge": "vmbr0", "name": "eth0", "rate": 5},
            "networks": [{"bridge": "vmbr0", "name": "eth1", "link_down": True}],
        },
    ),
    (
        {"netif": '{"net0": "name=eth0,bridge=vmbr0,ip=dhcp", "net1": "name=eth1,bridge=vmbr1,tag=3"}'},
        {
            "network_config": {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"},
            "networks": [{"name": "eth1", "bridge": "vmbr1", "vlan": 3}],
        },
    ),
    (
        {"mounts": {"mp1": "/srv,mp=/srv,ro=1", "mp0": "tank:8,mp=/data"}},
        {
            "mount_points": [{"host_path": "/srv", "container_path": "/srv", "read_only": True}],
            "volumes": [{"pool": "tank", "size_gb": 8, "mount_point": "/data"}],
        },
    ),
    (
        {
            "mount_point": [
                {"volume": "tank", "size": "512M", "path": "/a", "backup": True},
                {"volume": "/b", "path": "/b"},
            ]
        },
        {
            "mount_points": [{"host_path": "/b", "container_path": "/b"}],
            "volumes": [{"pool": "tank", "size": "512M", "mount_point": "/a", "backup": True}],
        },
    ),
    (
        {"mountpoint": {"key": 0, "slot": 0, "storage": "tank:12", "mp": "/a", "size": "12G", "replicate": False}},
        {"volumes": [{"pool": "tank", "size_gb": 12, "mount_point": "/a", "replicate": False}]},
    ),
    (
        {"mount_volumes": [{"id": "mp0", "host_path": "/a", "mountpoint": "/b", "options": {"ro": "1"}}]},
        {"mount_points": [{"host_path": "/a", "container_path": "/b", "read_only": True}]},
    ),
    ({"privileged": True}, {"unprivileged": False}),
    ({"nesting": True}, {"pct_options": ["nesting=1"]}),
    ({"authorized_keys": [KEY, KEY]}, {"ssh_public_keys": [KEY, KEY]}),
    ({"started": False}, {"state": "stopped"}),
]


OTHERS = {"900": {"name": "base", "template": "local:vztmpl/x.tar.zst"}}


def told(folder: Path, keys: dict[str, Any]) -> tuple[str, str]:
    entry = {"name": "web", "clone_from_ctid": 900}
    (advice,) = loaded(folder, {**OTHERS, "103": entry | keys}).warnings
    return advice.problem, advice.remedy


@pytest.mark.parametrize(("keys", "ours"), WHOLE, ids=[json.dumps(keys) for keys, _ in WHOLE])
def test_a_block_is_written_out_whole(tmp_path: Path, keys: dict[str, Any], ours: dict[str, Any]) -> None:
    assert ours.keys() <= Entry.model_fields.keys()
    problem, remedy = told(tmp_path, keys)
    assert (problem, remedy) == (
        f'"{next(iter(keys))}" has no effect.',
        f"Write {json.dumps(ours)[1:-1]} in its place.",
    )


def test_addresses_and_name_servers_come_to_their_interfaces_and_a_password_to_nobody(tmp_path: Path) -> None:
    """The two blocks stand apart there; each says the whole of what they say together."""
    init = {
        "hostname": "web",
        "dns": {"domain": "lan", "servers": ["9.9.9.9"]},
        "ip_config": [STATIC, {"ipv4": {"address": "dhcp"}}],
        "user_account": {"keys": [KEY], "password": "hunter2-hunter2"},
    }
    nets = [{"name": "eth0", "bridge": "vmbr0"}, {"name": "eth1", "bridge": "vmbr1"}]
    entry = {"name": "web", "template": "local:vztmpl/x.tar.zst", "initialization": init, "network_interface": nets}
    one, other = loaded(tmp_path, {"103": entry}).warnings
    config = {"bridge": "vmbr0", "name": "eth0", "ip": "10.0.0.5/24", "gw": "10.0.0.1", "ip6": "auto"}
    whole = {
        "network_config": config | {"nameservers": ["9.9.9.9"]},
        "networks": [{"bridge": "vmbr1", "name": "eth1", "ip": "dhcp"}],
    }
    more = {"search_domain": "lan", "ssh_public_keys": [KEY]}
    assert other.remedy == f"Write {json.dumps(whole)[1:-1]} in its place."
    password = 'Name its password: "password": {"env": NAME}.'
    assert one.remedy == f"Write {json.dumps(whole | more)[1:-1]} in its place. {password}"
    assert "hunter2" not in f"{one}{other}"


@pytest.mark.parametrize(
    ("keys", "meant"),
    [
        ({"disk": {"datastore_id": "tank", "size": 8, "file_format": "raw"}}, "storage_pool, with storage_size_gb,"),
        ({"cpu": {"cores": 2, "numa": True}}, "cores"),
        ({"mount_point": {"volume": "tank:vm-100-disk-1", "path": "/a"}}, "mount_points or volumes"),
        ({"mounts": [{"host_path": "/a"}]}, "mount_points or volumes"),
        ({"netif": "net0=eth0"}, "network_config, with networks for further interfaces,"),
        ({"network_interface": [{"name": "e" * 16}]}, "network_config"),
        ({"osTemplate": True}, "template"),
    ],
    ids=json.dumps,
)
def test_what_cannot_be_read_whole_is_told_by_its_key(tmp_path: Path, keys: dict[str, Any], meant: str) -> None:
    assert told(tmp_path, keys)[1] == f"{meant} was probably meant."


def test_every_name_of_another_tool_comes_to_keys_of_ours() -> None:
    assert {name for name in (*OF_OTHER_TOOLS, *BLOCKS) if meant(name) is None} == {"mount_points"}
    assert {ours for ours, _ in OF_OTHER_TOOLS.values()} <= Entry.model_fields.keys()
    assert {key for ours, _ in OF_PROXMOX.values() for key in ours} <= Entry.model_fields.keys()


@pytest.mark.parametrize(
    "value", [None, True, 0, -1, 1.5, "", "x", [], [None], [[]], {}, {"": None}, {"a": [{}]}, [{}] * 2]
)
def test_no_value_breaks_a_reader(value: Any) -> None:
    for name in (*OF_OTHER_TOOLS, *BLOCKS):
        written(name, value, {name: value, "initialization": value})
    for _, read in OF_PROXMOX.values():
        read(value)


def test_what_says_the_same_as_keys_that_are_there_is_to_be_removed(tmp_path: Path) -> None:
    keys = {"cores": 2, "network_config": {"bridge": "vmbr0", "ip": "dhcp"}}
    assert told(tmp_path, keys | {"cpus": 2})[1] == "Remove it: cores says the same."
    assert told(tmp_path, keys | {"network": {"bridge": "vmbr0"}})[1] == "Remove it: network_config says the same."
    assert told(tmp_path, keys | {"network": {"bridge": "vmbr9"}})[1] == "network_config was probably meant."


def test_what_is_told_under_another_name_is_not_missed_too(tmp_path: Path) -> None:
    """One refusal for each fault."""
    entry = {"hostname": "web", "ostemplate": "local:vztmpl/x.tar.zst", "nameserver": "9.9.9.9 1.1.1.1"}
    told = refusals(tmp_path, {"lxc_configs": {"103": entry}})
    assert [one.remedy for one in told] == [
        'Write "name": "web" in its place.',
        'Write "template": "local:vztmpl/x.tar.zst" in its place.',
        'Write nameservers in network_config, and remove it. There it is "nameservers": ["9.9.9.9", "1.1.1.1"].',
    ]
    (alone,) = refusals(tmp_path, {"lxc_configs": {"103": {"name": "a", "clone": "x"}}})
    assert alone.remedy == 'Write "full" or "linked".'


TERRAFORM: dict[str, Any] = {
    "node_name": "pve1",
    "vm_id": 103,
    "started": True,
    "start_on_boot": True,
    "initialization": {"hostname": "apps", "ip_config": STATIC, "dns": {"servers": ["9.9.9.9"]}},
    "operating_system": {"template_file_id": "local:vztmpl/x.tar.zst", "type": "debian"},
    "cpu": {"cores": 4},
    "memory": {"dedicated": 4096, "swap": 512},
    "disk": {"datastore_id": "tank", "size": 32},
    "network_interface": {"name": "eth0", "bridge": "vmbr2", "mac_address": "BC:24:11:00:00:01"},
    "features": {"nesting": True, "keyctl": True},
    "mount_point": [{"volume": "/srv", "path": "/srv", "read_only": True}],
    "startup": {"order": "3", "up_delay": "60", "down_delay": "60"},
    "tags": ["a"],
}
TELMATE: dict[str, Any] = {
    "target_node": "pve1",
    "vmid": 103,
    "hostname": "apps",
    "ostemplate": "local:vztmpl/x.tar.zst",
    "ostype": "debian",
    "onboot": True,
    "start": True,
    "cores": 4,
    "memory": 4096,
    "swap": 512,
    "rootfs": {"storage": "tank", "size": "32G"},
    "network": {"name": "eth0", "bridge": "vmbr2", "ip": "10.0.0.5/24", "gw": "10.0.0.1", "ip6": "auto"}
    | {"hwaddr": "BC:24:11:00:00:01"},
    "features": {"nesting": True, "keyctl": True},
    "mountpoint": {"slot": 0, "storage": "/srv", "mp": "/srv", "ro": True},
    "startup": "order=3,up=60,down=60",
    "tags": "a",
}
ANSIBLE: dict[str, Any] = {
    "node": "pve1",
    "vmid": 103,
    "hostname": "apps",
    "ostemplate": "local:vztmpl/x.tar.zst",
    "ostype": "debian",
    "onboot": "yes",
    "state": "started",
    "cpus": 4,
    "memory": 4096,
    "swap": 512,
    "disk": "tank:32",
    "netif": {"net0": "name=eth0,bridge=vmbr2,ip=10.0.0.5/24,gw=10.0.0.1,ip6=auto,hwaddr=BC:24:11:00:00:01"},
    "features": ["nesting=1", "keyctl=1"],
    "mounts": {"mp0": "/srv,mp=/srv,ro=1"},
    "startup": ["order=3", "up=60", "down=60"],
    "tags": ["a"],
}


def obeyed(folder: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """The entry when all that is told of it was done, warnings included."""
    for _ in range(30):
        try:
            said: Sequence[Finding] = loaded(folder, {**OTHERS, "103": entry}).warnings
        except CatalogError as error:
            said = [
                *error.warnings,
                *(one for one in error.refusals if not one.problem.startswith(("name is", "It has"))),
            ]
        if not said:
            return entry
        key = re.match(r'"(\w+)" has no effect', said[0].problem)
        refusal = Refusal(103, f"{key[1]} has no effect." if key else said[0].problem, said[0].remedy)
        changed = followed(entry, refusal)
        assert changed is not None, str(refusal)
        entry = changed
    raise AssertionError(entry)


@pytest.mark.parametrize("entry", [TERRAFORM, TELMATE, ANSIBLE], ids=["terraform", "telmate", "ansible"])
def test_a_whole_entry_of_another_tool_becomes_ours_by_what_is_told_of_it(
    tmp_path: Path, entry: dict[str, Any]
) -> None:
    found = {key: one for key, one in obeyed(tmp_path, entry).items() if key != "nameservers"}
    found["network_config"].pop("nameservers", None)
    assert found == {
        "node": "pve1",
        "name": "apps",
        "template": "local:vztmpl/x.tar.zst",
        "os_type": "debian",
        "start_at_boot": True,
        "state": "running",
        "cores": 4,
        "memory_mb": 4096,
        "swap_mb": 512,
        "storage_pool": "tank",
        "storage_size_gb": 32,
        "network_config": {"name": "eth0", "bridge": "vmbr2", "ip": "10.0.0.5/24", "gw": "10.0.0.1", "ip6": "auto"},
        "mac_address": "BC:24:11:00:00:01",
        "pct_options": ["nesting=1", "keyctl=1"],
        "mount_points": [{"host_path": "/srv", "container_path": "/srv", "read_only": True}],
        "boot_order": 3,
        "boot_delay": 60,
        "boot_down_delay": 60,
        "tags": ["a"],
    }


OWN: list[tuple[dict[str, Any], str]] = [
    (
        {"clone": {"vm_id": 900, "full": False, "datastore_id": "tank", "node_name": "pve"}},
        'Write "clone_from_ctid": 900, "clone": "linked", "storage_pool": "tank".',
    ),
    ({"clone": [{"vm_id": 900}], "storage_pool": "tank"}, 'Write "clone_from_ctid": 900, and remove clone.'),
    ({"console": {"enabled": True, "tty_count": 1, "type": "shell"}}, '"console": true, "tty": 1, "cmode": "shell".'),
    ({"features": [{"nesting": True}]}, 'Write "pct_options": ["nesting=1"], and remove features.'),
    ({"features": {"nesting": True, "mount": ["nfs", "cifs"], "fuse": None}}, '["nesting=1", "mount=nfs;cifs"]'),
    ({"state": "restarted"}, 'Write "running".'),
    ({"state": "present"}, 'Remove it, or write "stopped"'),
    ({"state": "template"}, 'Write "is_template": true in its place.'),
    ({"state": "absent"}, "phoenix-lxc destroy CTID"),
    ({"memory": {"dedicated": 512, "swap": 0}}, 'Write "memory_mb": 512, "swap_mb": 0 in its place.'),
    ({"startup": ["order=2", "up=30"]}, 'Write "boot_order": 2, "boot_delay": 30 in its place.'),
    ({"ostype": "auto"}, "Remove it: that is what Proxmox does without it."),
    ({"vmid": 103}, "Remove it: the CTID is the key of its entry."),
    ({"lxc": [["lxc.cap.drop", ""], ["lxc.kmsg", "0"]]}, 'Write "lxc_options": ["lxc.cap.drop=", "lxc.kmsg=0"] in its'),
]


@pytest.mark.parametrize(("keys", "remedy"), OWN, ids=[json.dumps(keys) for keys, _ in OWN])
def test_a_key_of_the_same_name_is_refused_with_what_it_says(tmp_path: Path, keys: dict[str, Any], remedy: str) -> None:
    entry = {"name": "web", "template": "local:vztmpl/x.tar.zst"} | keys
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": entry}})
    assert remedy in refusal.remedy
