"""What was meant by a key that a section does not have. Left out it could make a rule wider, or a mount writable."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog.device_sections import Device
from phoenix_worker.catalog.mount_sections import MountPoint, Volume
from phoenix_worker.catalog.network_sections import FurtherNetwork, NetworkConfig
from phoenix_worker.catalog.placing import SpreadGroup
from phoenix_worker.catalog.sections import Firewall, FirewallRule, HealthCheck

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenix_worker.catalog.sections import Section

SECTIONS: Mapping[str, type[Section]] = {
    "network_config": NetworkConfig,
    "networks": FurtherNetwork,
    "firewall": Firewall,
    "firewall.rules": FirewallRule,
    "health_check": HealthCheck,
    "devices": Device,
    "mount_points": MountPoint,
    "spread": SpreadGroup,
    "zfs_volumes": Volume,
    "volumes": Volume,
}
"""The objects inside an entry, by where they are."""

_MAC = ("hwaddr", "mac", "mac_address", "macaddr")
_OF_INTERFACES = {
    **dict.fromkeys(("tag", "vlan_id", "vlan_tag"), "vlan"),
    **dict.fromkeys(("gateway", "gateway4", "gw4", "ip_gateway"), "gw"),
    **dict.fromkeys(("gateway6", "ip6_gateway"), "gw6"),
    **dict.fromkeys(("address", "ip_address", "cidr", "ipv4", "ip4"), "ip"),
    **dict.fromkeys(("address6", "ipv6"), "ip6"),
    **dict.fromkeys(("interface", "iface", "device"), "name"),
    **dict.fromkeys(("rate_limit", "bandwidth"), "rate"),
}
_NAME_SERVERS = ("nameserver", "nameservers", "dns", "dns_servers", "dns_server")
_MOUNTED = {
    **dict.fromkeys(("ro", "readonly", "read-only"), "read_only"),
    **dict.fromkeys(("mountoptions", "options", "mount_opts"), "mount_options"),
}
_RENAMED: Mapping[type[Section], Mapping[str, str]] = {
    NetworkConfig: _OF_INTERFACES | dict.fromkeys(_NAME_SERVERS, "nameservers"),
    FurtherNetwork: _OF_INTERFACES | dict.fromkeys(_MAC, "mac_address"),
    Firewall: {
        **dict.fromkeys(("enable", "active", "on"), "enabled"),
        "rule": "rules",
        "in": "policy_in",
        "out": "policy_out",
        "input_policy": "policy_in",
        "output_policy": "policy_out",
    },
    FirewallRule: {
        **dict.fromkeys(("dport", "dest_port", "destination_port", "to_port", "ports"), "port"),
        **dict.fromkeys(("sport", "src_port", "from_port"), "source_port"),
        **dict.fromkeys(("icmp-type", "icmptype"), "icmp_type"),
        **dict.fromkeys(("enabled", "active"), "enable"),
        **dict.fromkeys(("interface", "nic"), "iface"),
        "service": "macro",
        **dict.fromkeys(("protocol", "ip_protocol"), "proto"),
        **dict.fromkeys(("src", "from", "source_address", "saddr"), "source"),
        **dict.fromkeys(("dst", "to", "destination", "destination_address", "daddr"), "dest"),
        **dict.fromkeys(("direction", "dir", "chain"), "type"),
        **dict.fromkeys(("target", "policy", "verdict"), "action"),
        **dict.fromkeys(("description", "name", "note"), "comment"),
    },
    HealthCheck: {
        **dict.fromkeys(("cmd", "test", "exec"), "command"),
        **dict.fromkeys(("retry", "attempts", "tries"), "retries"),
        **dict.fromkeys(("period", "delay", "wait"), "interval"),
    },
    Device: {
        **dict.fromkeys(("device", "dev", "host_path", "source", "name"), "path"),
        **dict.fromkeys(("user", "owner", "owner_uid"), "uid"),
        **dict.fromkeys(("group", "owner_gid"), "gid"),
        **dict.fromkeys(("permissions", "perm"), "mode"),
        **dict.fromkeys(("deny-write", "ro", "read_only", "readonly"), "deny_write"),
    },
    MountPoint: {
        **dict.fromkeys(("host", "source", "src", "volume", "from"), "host_path"),
        **dict.fromkeys(
            ("container", "mp", "path", "target", "destination", "dest", "mount_point", "to"), "container_path"
        ),
        **dict.fromkeys(("uid", "owner", "user"), "owner_uid"),
        **dict.fromkeys(("gid", "group"), "owner_gid"),
        **_MOUNTED,
    },
    SpreadGroup: {"name": "group", "required": "require", "strict": "require"},
    Volume: {
        **dict.fromkeys(("storage", "storage_pool", "datastore"), "pool"),
        "size_in_gb": "size_gb",
        **_MOUNTED,
        **dict.fromkeys(("mp", "path", "container_path", "target", "mountpoint"), "mount_point"),
    },
}
_OF_ITS_MEANING: Mapping[type[Section], Mapping[str, tuple[str, str]]] = {
    NetworkConfig: dict.fromkeys(
        _MAC, ('Write "mac_address": {value} beside network_config, and remove it here.',) * 2
    ),
    FurtherNetwork: dict.fromkeys(_NAME_SERVERS, ("Write nameservers in network_config, and remove it here.",) * 2),
    Firewall: dict.fromkeys(
        ("policy", "policies"),
        ("Write policy_in, policy_out or both in its place.",) * 2,
    ),
}
"""What to do about a key for which the section has no other, when it is on and when it is off."""
_OFF = (False, 0, "0", "false", "no", "off")
_ALIKE = 0.6


def remedy(where: str, key: str, section: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """Say what to write in the place of a key that the section at `where` does not have; followed, it is loaded."""
    model, value = SECTIONS[where], section[key]
    meant = _OF_ITS_MEANING.get(model, {}).get(key.lower())
    if model is NetworkConfig and key.lower() in _MAC and entry.get("mac_address") not in (None, ""):
        return "Remove it: mac_address is there, beside network_config."
    if meant is not None:
        return meant[value in _OFF].replace("{value}", json.dumps(value))
    close = difflib.get_close_matches(key, model.model_fields, 1, _ALIKE)
    likely = _RENAMED[model].get(key.lower()) or next(iter(close), None)
    if likely is None:
        return f"Remove it. Known are: {', '.join(model.model_fields)}."
    if section.get(likely) not in (None, ""):
        return f"Remove it: {likely} is there and was probably meant."
    return f"{likely} was probably meant: write that."
