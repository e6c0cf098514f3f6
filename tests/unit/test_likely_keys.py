"""A key that a section does not have is refused, with what was meant: left out, it could make a rule wider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.likely_keys import SECTIONS
from tests.unit.catalog_files import clone, loaded, network, refusals, template

if TYPE_CHECKING:
    from pathlib import Path

ACCEPT = {"type": "in", "action": "ACCEPT"}
MOUNT = {"host_path": "/srv", "container_path": "/srv"}
VOLUME = {"pool": "tank", "size_gb": 1, "mount_point": "/data"}


def ruled(**keys: Any) -> dict[str, Any]:
    return {"firewall": {"enabled": True, "rules": [ACCEPT | keys]}}


def rest(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {kind: [value]} if kind.endswith("s") else {kind: value}


SAID: list[tuple[dict[str, Any], str, str, dict[str, Any]]] = [
    (ruled(service="SSH"), 'firewall.rules[0].service "SSH"', "macro was probably meant", ruled(macro="SSH")),
    (ruled(proto="udp", dport="1900"), "firewall.rules[0].dport", "port was prob", ruled(proto="udp", port="1900")),
    (ruled(enabled=False), "firewall.rules[0].enabled false", "enable was probably meant", ruled(enable=False)),
    (ruled(interface="net0"), "firewall.rules[0].interface", "iface was probably meant", ruled(iface="net0")),
    (
        ruled(proto="tcp", sport="1"),
        "firewall.rules[0].sport",
        "source_port was probably meant",
        ruled(proto="tcp", source_port="1"),
    ),
    (ruled(protocol="tcp"), "firewall.rules[0].protocol", "proto was probably meant: write that.", ruled(proto="tcp")),
    (ruled(src="10.0.0.1"), "firewall.rules[0].src", "source was probably meant", ruled(source="10.0.0.1")),
    (
        ruled(proto="icmp", **{"icmp-type": "echo-request"}),
        "firewall.rules[0].icmp-type",
        "icmp_type was probably meant",
        ruled(proto="icmp", icmp_type="echo-request"),
    ),
    (
        ruled(proto="tcp", port=1, dport=2),
        "firewall.rules[0].dport 2",
        "Remove it: port is there and was probably meant.",
        ruled(proto="tcp", port=1),
    ),
    ({"firewall": {"enable": True}}, "firewall.enable", "enabled was probably", {"firewall": {"enabled": True}}),
    ({"firewall": {"in": "ACCEPT"}}, "firewall.in", "policy_in was prob", {"firewall": {"policy_in": "ACCEPT"}}),
    (
        {"firewall": {"policy": "ACCEPT"}},
        "firewall.policy",
        "Write policy_in, policy_out or both in its place.",
        {"firewall": {"policy_in": "ACCEPT", "policy_out": "ACCEPT"}},
    ),
    (
        {"network_config": network(hwaddr="02:00:00:00:01:01")},
        'network_config.hwaddr "02:00:00:00:01:01"',
        'Write "mac_address": "02:00:00:00:01:01" beside network_config, and remove it here.',
        {"network_config": network(), "mac_address": "02:00:00:00:01:01"},
    ),
    (
        {"network_config": network(hwaddr="02:00:00:00:01:01"), "mac_address": "02:00:00:00:01:01"},
        "network_config.hwaddr",
        "Remove it: mac_address is there, beside network_config.",
        {"network_config": network(), "mac_address": "02:00:00:00:01:01"},
    ),
    ({"network_config": network(tag=7)}, "network_config.tag 7", "vlan was prob", {"network_config": network(vlan=7)}),
    (
        {"network_config": network(nameserver="9.9.9.9")},
        "network_config.nameserver",
        "nameservers was probably meant",
        {"network_config": network(nameservers="9.9.9.9")},
    ),
    ({"network_config": network(gw_="10.0.0.1")}, "network_config.gw_", "gw was", {"network_config": network()}),
    (
        {"network_config": network(queues=4)},
        "network_config.queues 4",
        "Remove it. Known are: bridge, name, ip,",
        {"network_config": network()},
    ),
    (
        rest("mount_points", MOUNT | {"ro": True}),
        "mount_points[0].ro true",
        "read_only was probably meant: write that.",
        rest("mount_points", MOUNT | {"read_only": True}),
    ),
    (
        rest("volumes", VOLUME | {"readonly": 1}),
        "volumes[0].readonly 1",
        "read_only was probably meant: write that.",
        rest("volumes", VOLUME | {"read_only": True}),
    ),
    (
        rest("volumes", VOLUME | {"mountoptions": "noatime"}),
        "volumes[0].mountoptions",
        "mount_options was probably meant: write that.",
        rest("volumes", VOLUME | {"mount_options": ["noatime"]}),
    ),
    (
        rest("mount_points", MOUNT | {"uid": 1}),
        "mount_points[0].uid 1",
        "owner_uid was",
        rest("mount_points", MOUNT | {"owner_uid": 1}),
    ),
    (
        rest("zfs_volumes", VOLUME | {"storage": "x"}),
        "zfs_volumes[0].storage",
        "Remove it: pool",
        {"volumes": [VOLUME]},
    ),
    (rest("volumes", VOLUME | {"dedup": [1]}), "volumes[0].dedup is", "Remove it.", rest("volumes", VOLUME)),
    (
        {"network_config": network() | {"host-managed": True}},
        "network_config.host-managed true",
        "host_managed was probably meant: write that.",
        {"network_config": network(host_managed=True)},
    ),
    (
        rest("devices", {"path": "/dev/kvm", "deny-write": True}),
        "devices[0].deny-write true",
        "deny_write was probably meant: write that.",
        rest("devices", {"path": "/dev/kvm", "deny_write": True}),
    ),
    (
        {"health_check": {"command": "true", "intervall": 2}},
        "health_check.intervall 2",
        "interval was probably meant",
        {"health_check": {"command": "true", "interval": 2}},
    ),
]


@pytest.mark.parametrize(("keys", "problem", "words", "followed"), SAID)
def test_it_is_refused_with_what_was_meant_and_that_loads(
    tmp_path: Path, keys: dict[str, Any], problem: str, words: str, followed: dict[str, Any]
) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(**keys)}})
    assert refusal.problem.startswith(problem)
    assert refusal.problem.endswith("is not known here and would be left out.")
    assert words in refusal.remedy
    assert loaded(tmp_path, {"103": template(**followed)})


@pytest.mark.parametrize("where", SECTIONS)
def test_an_unknown_key_is_refused_in_every_section(tmp_path: Path, where: str) -> None:
    kind, _, inner = where.partition(".")
    whole: dict[str, Any] = {
        "network_config": network(),
        "networks": network(),
        "firewall": {"enabled": True},
        "ha": {"max_restart": 2},
        "firewall.rules": ACCEPT,
        "health_check": {"command": "true"},
        "mount_points": MOUNT,
        "root_disk": {"acl": True},
        "devices": {"path": "/dev/kvm"},
        "spread": {"group": "web"},
    }.get(where, VOLUME)
    value = whole | {"xyzzy": 1}
    keys = {kind: {inner: [value]}} if inner else rest(kind, value)
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"900": template(), "103": clone(**keys)}})
    assert "xyzzy 1 is not known here" in refusal.problem
    keys = {kind: {inner: [whole]}} if inner else rest(kind, whole)
    assert loaded(tmp_path, {"900": template(), "103": clone(**keys)})


def test_what_is_blank_is_not_declared_whatever_its_key(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"103": template(**ruled(macro="", iface=None))})
