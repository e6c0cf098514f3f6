"""A wrong value is refused with the value that was meant; written so, it loads."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.catalog_files import loaded, network, refusals, template

if TYPE_CHECKING:
    from pathlib import Path

VOLUME = {"pool": "tank", "mount_point": "/data"}
BIND = {"host_path": "/srv", "container_path": "/srv"}
MEANT: list[tuple[str, Any, str]] = [
    ("network_config.trunks", "10;20", "[10, 20]"),
    ("network_config.trunks", "2-4, 7", "[2, 3, 4, 7]"),
    ("network_config.trunks", 10, "[10]"),
    ("network_config.ip", "DHCP", '"dhcp"'),
    ("network_config.ip", " Manual", '"manual"'),
    ("network_config.ip", "10.0.0.5/255.255.255.0", '"10.0.0.5/24"'),
    ("network_config.ip6", "SLAAC", '"auto"'),
    ("network_config.ip6", "dhcpv6", '"dhcp"'),
    ("network_config.gw", "10.0.0.1/24", '"10.0.0.1"'),
    ("network_config.gw6", "fe80::1%eth0", '"fe80::1"'),
    ("storage_size_gb", "64", "64"),
    ("storage_size_gb", "8G", "8"),
    ("storage_size_gb", 8.5, "9"),
    ("storage_size_gb", "512M", "1"),
    ("storage_size_gb", "0.5T", "512"),
    ("mac_address", "bc-24-11-00-00-01", '"BC:24:11:00:00:01"'),
    ("mac_address", "BC24.1100.0001", '"BC:24:11:00:00:01"'),
    ("timezone", "Etc/UTC", '"UTC"'),
    ("timezone", "Host", '"host"'),
    ("hookscript", "/var/lib/vz/snippets/hook.sh", '"local:snippets/hook.sh"'),
    ("volumes.size", "8", '"8G"'),
    ("volumes.size", 8, '"8G"'),
    ("volumes.size", "8GiB", '"8G"'),
    ("volumes.size", "8 gb", '"8G"'),
    ("volumes.size", "8Gi", '"8G"'),
    ("volumes.size", 8.5, '"8.5G"'),
    ("volumes.size", "512m", '"512M"'),
    ("volumes.size_gb", "8G", "8"),
    ("volumes.size_gb", "16384M", "16"),
    ("volumes.mount_options", "noatime;discard", '["noatime", "discard"]'),
    ("mount_points.mount_options", "nosuid", '["nosuid"]'),
    ("mount_points.container_path", "mnt/a", '"/mnt/a"'),
    ("volumes.mount_point", "mnt/a", '"/mnt/a"'),
    ("template", "local:x.tar.zst", '"local:vztmpl/x.tar.zst"'),
]


def entry(place: str, value: Any) -> dict[str, Any]:
    section, _, key = place.rpartition(".")
    whole = {
        "": {key: value},
        "network_config": {"network_config": network(**{key: value})},
        "volumes": {"volumes": [{**VOLUME, **({} if key.startswith("size") else {"size_gb": 1}), key: value}]},
        "mount_points": {"mount_points": [{**BIND, key: value}]},
    }
    return template(**whole[section])


@pytest.mark.parametrize(("place", "value", "meant"), MEANT)
def test_what_was_meant_is_told_and_loads(tmp_path: Path, place: str, value: Any, meant: str) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": entry(place, value)}})
    assert refusal.remedy == f"Write {meant}."
    assert loaded(tmp_path, {"103": entry(place, json.loads(meant))}).warnings == ()


@pytest.mark.parametrize(("size", "written"), [(0.5, "512M"), ("512M", "512M"), ("1.5G", "1.5G")])
def test_a_size_that_is_no_whole_number_goes_under_the_key_that_takes_it(
    tmp_path: Path, size: Any, written: str
) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": entry("volumes.size_gb", size)}})
    assert refusal.remedy == f'Write "size": "{written}" in its place.'
    assert loaded(tmp_path, {"103": entry("volumes.size", written)})


ITEMS: list[tuple[str, list[Any], list[Any]]] = [
    ("network_config.trunks", ["10"], [10]),
    ("network_config.trunks", ["2-4"], [2, 3, 4]),
    ("volumes.mount_options", ["noatime;discard"], ["noatime", "discard"]),
]


@pytest.mark.parametrize(("place", "value", "meant"), ITEMS)
def test_an_item_of_a_list_is_told_too(tmp_path: Path, place: str, value: list[Any], meant: list[Any]) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": entry(place, value)}})
    assert refusal.remedy == f"Write {json.dumps(meant)[1:-1]}."
    assert loaded(tmp_path, {"103": entry(place, meant)})


def test_a_list_among_mount_options_is_refused_as_any_other(tmp_path: Path) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(root_disk={"mount_options": [["noatime"]]})}})
    assert refusal.remedy.startswith('Write "discard", "lazytime"')


def test_how_a_mount_is_written_to_is_no_mount_option(tmp_path: Path) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": entry("volumes.mount_options", ["noatime", "ro"])}})
    assert refusal.remedy == 'Write "read_only": true beside mount_options, and remove it here.'


WHOLE_KEYS: list[dict[str, Any]] = [
    {"devices": [{"path": "/dev/dri/card0", "mode": "660"}]},
    {"devices": [{"path": "/dev/dri/card0", "mode": 660}]},
    {"devices": [{"path": "/dev/dri/card0", "mode": "0o660", "gid": "44", "uid": "0"}]},
    {"devices": ["path=/dev/net/tun,mode=0666,deny-write=1"]},
    {"pct_options": ["nesting=true", "Keyctl"]},
    {"pct_options": ["fuse=1,nesting=1", "mount=nfs; cifs"]},
    {"pct_options": [{"nesting": True}, {"mount": "nfs"}]},
    {"tags": "web"},
]


@pytest.mark.parametrize("keys", WHOLE_KEYS, ids=json.dumps)
def test_a_key_that_is_written_anew_loads(tmp_path: Path, keys: dict[str, Any]) -> None:
    (remedy,) = {refusal.remedy for refusal in refusals(tmp_path, {"lxc_configs": {"103": template(**keys)}})}
    told = re.fullmatch(r"Write (.*)\.", remedy)
    assert told is not None
    assert loaded(tmp_path, {"103": template(**json.loads("{" + told[1] + "}"))})


def test_what_cannot_be_read_is_told_in_general(tmp_path: Path) -> None:
    wrong = copy.deepcopy(template(devices=[{"path": "/dev/dri/card0", "mode": "rw-"}]))
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": wrong}})
    assert refusal.remedy == 'Write it like "0660".'
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": entry("volumes.size", "500K")}})
    assert "whole MiB" in refusal.remedy


@pytest.mark.parametrize("address", ["10.0.0.5/7", "10.0.0.5/0", "fd00::5/7"])
def test_a_prefix_that_proxmox_finds_too_short_is_refused(tmp_path: Path, address: str) -> None:
    key = "ip6" if ":" in address else "ip"
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": entry(f"network_config.{key}", address)}})
    assert "has a prefix shorter than /8, which Proxmox refuses" in refusal.problem


def test_what_proxmox_takes_for_networks_is_taken(tmp_path: Path) -> None:
    servers = "10.0.0.1;fe80::1%eth0, 9.9.9.9"
    config = {"bridge": "vmbr0", "ip": "manual", "ip6": "manual", "nameservers": servers}
    declared = loaded(tmp_path, {"103": template(network_config=config, search_domain="a.lan;b.lan")})[103]
    assert declared.network is not None
    assert (declared.network.ip, declared.network.ip6) == ("manual", "manual")
    assert declared.network.nameservers == ("10.0.0.1", "fe80::1%eth0", "9.9.9.9")
    assert ("searchdomain", "a.lan b.lan") in declared.options


@pytest.mark.parametrize("server", ["10.0.0.1%eth0", "fd00::1%eth0", "fe80::1%", "fe80::1%e"])
def test_only_a_link_local_name_server_has_an_interface(tmp_path: Path, server: str) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": entry("network_config.nameservers", [server])}})
    assert refusal.problem.startswith("network_config.nameservers[0]")
