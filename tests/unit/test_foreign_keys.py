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
        'Write "storage_pool": "local-lvm", "storage_size_gb": 8 in its place.',
        {"storage_pool": "local-lvm", "storage_size_gb": 8},
    ),
    (
        {"nameserver": "9.9.9.9"},
        "Write nameservers in network_config",
        {"network_config": network(nameservers="9.9.9.9")},
    ),
    ({"net0": "name=eth0,bridge=vmbr0"}, "Write network_config, and remove it.", {"network_config": network()}),
    ({"net1": {"bridge": "vmbr1"}}, "Write it in networks, and remove it.", {"networks": [{"bridge": "vmbr1"}]}),
    ({"mp0": "tank:8,mp=/x"}, "Write it in volumes or in mount_points, and remove it.", {}),
    ({"dev0": "/dev/net/tun"}, "Write it in devices,", {"devices": [{"path": "/dev/net/tun"}]}),
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
searchdomain snaptime startup swap unused0
"""


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
