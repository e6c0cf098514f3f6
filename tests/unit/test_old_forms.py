"""What older catalogs have is refused with what to write, and that loads to the letter."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.catalog_files import loaded, refusals, template

if TYPE_CHECKING:
    from pathlib import Path

NETWORK = {"bridge": "vmbr0", "ip": "10.0.0.111/24", "gw": "10.0.0.1", "nameservers": ["8.8.8.8"]}
GID = {"type": "gid", "host_id": 33, "container_id": 33, "size": 1}

FORMS: list[tuple[dict[str, Any], str]] = [
    ({"features": "nesting=1,keyctl=1"}, 'Write "pct_options": ["nesting=1", "keyctl=1"], and remove features.'),
    ({"features": ["nesting=1"]}, 'Write "pct_options": ["nesting=1"], and remove features.'),
    (
        {"features": "base_setup, nesting=1", "pct_options": ["fuse=1", "nesting=1"]},
        'Write "pct_options": ["fuse=1", "nesting=1"], "features": ["base_setup"].',
    ),
    ({"features": "base_setup docker"}, 'Write "features": ["base_setup", "docker"].'),
    ({"pct_options": "nesting=1,keyctl=1"}, 'Write "pct_options": ["nesting=1", "keyctl=1"].'),
    (
        {"network_config": "10.0.0.111/24,10.0.0.1,8.8.8.8"},
        f"Write {json.dumps({'network_config': NETWORK})[1:-1]}.",
    ),
    ({"devices": ["/dev/dri/card0"]}, 'Write "devices": [{"path": "/dev/dri/card0"}].'),
    (
        {"devices": ["/dev/dri/card0,gid=44,mode=0660", {"path": "/dev/net/tun"}]},
        'Write "devices": [{"path": "/dev/dri/card0", "gid": 44, "mode": "0660"}, {"path": "/dev/net/tun"}].',
    ),
    ({"network_config": "dhcp"}, 'Write "network_config": {"bridge": "vmbr0", "ip": "dhcp"}.'),
    (
        {"id_maps": [GID]},
        'Write "id_maps": ["u 0 100000 65536", "g 0 100000 33", "g 33 33 1", "g 34 100034 65502"].',
    ),
    (
        {"id_maps": [{"type": "uid", "host_id": 1000, "container_id": 0, "size": 2}, {**GID, "container_id": 65535}]},
        'Write "id_maps": ["u 0 1000 2", "u 2 100002 65534", "g 0 100000 65535", "g 65535 33 1"].',
    ),
    ({"gpu_assignment": 0}, 'Write "gpu_assignment": "0".'),
    ({"gpu_assignment": "0 1"}, 'Write "gpu_assignment": "0,1".'),
    ({"gpu_assignment": [0, 1]}, 'Write "gpu_assignment": "0,1".'),
    ({"gpu_assignment": "nvidia0;GPU1"}, 'Write "gpu_assignment": "0,1".'),
]


OF_OTHER_TOOLS: list[dict[str, Any]] = [
    {"network_config": "name=eth0,bridge=vmbr0,ip=dhcp"},
    {"network_config": "name=eth0,bridge=vmbr1,gw=10.0.0.1,hwaddr=BC:24:11:00:00:01,ip=10.0.0.5/24,tag=7,type=veth"},
    {"network_config": "bridge=vmbr0,ip=10.0.0.5/24,ip6=auto,firewall=1,link_down=0,rate=12.5,mtu=1400,trunks=5;6"},
    {"networks": "name=eth1,bridge=vmbr1,ip=dhcp,hwaddr=BC:24:11:00:00:02"},
    {"networks": ["vmbr1", {"bridge": "vmbr2", "name": "eth2"}]},
    {"networks": {"bridge": "vmbr1", "name": "eth1"}},
    {"mount_points": "/srv/a:/srv"},
    {"mount_points": ["/srv/a:/srv:ro", "/srv/b:/data:rw"]},
    {"mount_points": ["/srv/a,mp=/srv,ro=1,mountoptions=noatime;nodev", {"host_path": "/b", "container_path": "/b"}]},
    {"mount_points": {"host_path": "/a", "container_path": "/b"}},
    {"volumes": ["local-lvm:8,mp=/data,backup=1,acl=0"]},
    {"volumes": {"pool": "tank", "size_gb": 1, "mount_point": "/data"}},
    {"firewall": True},
    {"firewall": [{"type": "in", "action": "ACCEPT", "macro": "SSH"}]},
    {"firewall": {"enabled": True, "rules": {"type": "in", "action": "ACCEPT", "macro": "SSH"}}},
    {"health_check": "curl -f localhost"},
    {"health_check": ["sh", "-c", "test -e /run/ready"]},
    {"tags": "web;prod"},
    {"tags": "web, prod"},
    {"pct_options": {"nesting": True, "mount": "nfs;cifs"}},
    {"pct_options": ["nesting", "keyctl=1"]},
    {"features": {"nesting": 1, "keyctl": False}},
    {"id_maps": GID},
]


@pytest.mark.parametrize("keys", OF_OTHER_TOOLS, ids=json.dumps)
def test_a_value_in_the_form_of_another_tool_is_refused_with_what_loads(tmp_path: Path, keys: dict[str, Any]) -> None:
    (remedy,) = {refusal.remedy for refusal in refusals(tmp_path, {"lxc_configs": {"103": template(**keys)}})}
    assert loaded(tmp_path, {"103": template(**followed(remedy, keys))}).for_scripts == {}


@pytest.mark.parametrize(
    ("keys", "written"),
    [
        (OF_OTHER_TOOLS[1], '"vlan": 7}, "mac_address": "BC:24:11:00:00:01".'),
        (OF_OTHER_TOOLS[7], '{"host_path": "/srv/a", "container_path": "/srv", "read_only": true}'),
        (OF_OTHER_TOOLS[10], '"size_gb": 8, "mount_point": "/data", "backup": true, "acl": false}'),
        (OF_OTHER_TOOLS[16], """"sh -c 'test -e /run/ready'"}"""),
    ],
)
def test_nothing_of_it_is_lost(tmp_path: Path, keys: dict[str, Any], written: str) -> None:
    told = refusals(tmp_path, {"lxc_configs": {"103": template(**keys)}})
    assert {written in refusal.remedy for refusal in told} == {True}


def followed(remedy: str, keys: dict[str, Any]) -> dict[str, Any]:
    """The keys when the remedy is done to the letter."""
    told = re.fullmatch(r"Write (.*?)(?:, and remove (\w+))?\.", remedy)
    assert told is not None, remedy
    kept = {key: value for key, value in keys.items() if key != told[2]}
    written: dict[str, Any] = json.loads("{" + told[1] + "}")
    return kept | written


@pytest.mark.parametrize(("keys", "remedy"), FORMS)
def test_an_old_form_is_refused_with_what_loads(tmp_path: Path, keys: dict[str, Any], remedy: str) -> None:
    told = refusals(tmp_path, {"lxc_configs": {"103": template(**keys)}})
    assert {refusal.remedy for refusal in told} == {remedy}
    assert loaded(tmp_path, {"103": template(**followed(remedy, keys))})


@pytest.mark.parametrize(
    "keys",
    [
        {"features": "a/b"},
        {"features": ["nesting=1", 5]},
        {"pct_options": "nested=1"},
        {"network_config": "10.0.0.111,10.0.0.1"},
        {"network_config": ["10.0.0.111/24"]},
        {"id_maps": [{**GID, "type": "both"}]},
        {"id_maps": [GID, {**GID, "size": 0}]},
        {"id_maps": [GID, GID]},
        {"id_maps": [{**GID, "container_id": 65536}]},
        {"id_maps": ["u 0 0 1", GID]},
        {"gpu_assignment": "all"},
        {"network_config": "name=eth0,bridge=vmbr0,queues=4"},
        {"network_config": "bridge=vmbr0,firewall=maybe"},
        {"mount_points": ["/srv/a"]},
        {"mount_points": ["relative:/srv"]},
        {"mount_points": ["/srv/a,mp=/srv,keepattr=1"]},
        {"volumes": ["local-lvm:8"]},
        {"volumes": ["local-lvm:8G,mp=/data"]},
        {"firewall": {"enabled": True, "rules": ["22/tcp"]}},
        {"firewall": ["22/tcp"]},
        {"health_check": [1]},
        {"gpu_assignment": True},
        {"gpu_assignment": []},
    ],
)
def test_what_is_in_no_known_form_is_refused_as_any_other(tmp_path: Path, keys: dict[str, Any]) -> None:
    for refusal in refusals(tmp_path, {"lxc_configs": {"103": template(**keys)}}):
        assert refusal.remedy
        assert json.dumps(next(iter(keys))) not in refusal.remedy
