"""What was meant by a key that a section does not have. Left out it could make a rule wider, or a mount writable."""

from __future__ import annotations

import difflib
import ipaddress
import json
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog import likely_parts
from phoenix_worker.catalog.device_sections import Device
from phoenix_worker.catalog.ha_section import Ha
from phoenix_worker.catalog.mount_blocks import spelled
from phoenix_worker.catalog.mount_sections import MountPoint, RootDisk, Volume
from phoenix_worker.catalog.network_sections import FurtherNetwork, NetworkConfig
from phoenix_worker.catalog.placing import SpreadGroup
from phoenix_worker.catalog.sections import Firewall, FirewallRule, HealthCheck

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from phoenix_worker.catalog.sections import Section

SECTIONS: Mapping[str, type[Section]] = {
    "network_config": NetworkConfig,
    "networks": FurtherNetwork,
    "firewall": Firewall,
    "ha": Ha,
    "firewall.rules": FirewallRule,
    "health_check": HealthCheck,
    "devices": Device,
    "mount_points": MountPoint,
    "root_disk": RootDisk,
    "spread": SpreadGroup,
    "zfs_volumes": Volume,
    "volumes": Volume,
}
"""The objects inside an entry, by where they are."""

_MAC = ("hwaddr", "mac", "mac_address", "macaddr")
_OF_INTERFACES = {
    **dict.fromkeys(("tag", "vlan_id", "vlan_tag"), "vlan"),
    **dict.fromkeys(("gateway", "gateway4", "gw4", "ip_gateway"), "gw"),
    **dict.fromkeys(("gateway6", "ip6_gateway", "ipv6_gateway"), "gw6"),
    **dict.fromkeys(("address", "ip_address", "cidr", "ipv4", "ip4", "ipv4_address"), "ip"),
    **dict.fromkeys(("address6", "ipv6", "address_v6", "ipv6_address"), "ip6"),
    **dict.fromkeys(("interface", "iface", "device"), "name"),
    **dict.fromkeys(("rate_limit", "bandwidth"), "rate"),
    "disconnected": "link_down",
}
_NAME_SERVERS = ("nameserver", "nameservers", "dns", "dns_servers", "dns_server")
_MOUNTED = {
    **dict.fromkeys(("ro", "readonly"), "read_only"),
    **dict.fromkeys(("mountoptions", "options", "mount_opts"), "mount_options"),
}

_STORAGES = ("storage", "storage_pool", "datastore", "datastore_id")
_SIZES = ("size_in_gb", "size_gib", "gb")


def _ips(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}_ip" for name in names)


_RENAMED: Mapping[type[Section], Mapping[str, str]] = {
    NetworkConfig: _OF_INTERFACES | dict.fromkeys(_NAME_SERVERS, "nameservers"),
    FurtherNetwork: _OF_INTERFACES | dict.fromkeys(_MAC, "mac_address"),
    Firewall: {
        **dict.fromkeys(("enable", "active", "on"), "enabled"),
        "rule": "rules",
        **dict.fromkeys(("in", "input", "inbound", "ingress", "input_policy"), "policy_in"),
        **dict.fromkeys(("out", "output", "outbound", "egress", "output_policy"), "policy_out"),
        "firewall_rules": "rules",
        "router_advertisement": "radv",
    },
    FirewallRule: {
        **dict.fromkeys(
            ("dport", "dest_port", "dst_port", "destination_port", "to_port", "ports", "port_range"), "port"
        ),
        **dict.fromkeys(("sport", "src_port"), "source_port"),
        "from_port": "port",
        "icmptype": "icmp_type",
        "log_level": "log",
        **dict.fromkeys(("enabled", "active"), "enable"),
        **dict.fromkeys(("interface", "nic"), "iface"),
        "service": "macro",
        "security_group": "group",
        **dict.fromkeys(("protocol", "ip_protocol"), "proto"),
        **dict.fromkeys(("src", "from", "source_address", "saddr", "cidr", *_ips("source", "src", "remote")), "source"),
        **dict.fromkeys(
            ("dst", "to", "destination", "destination_address", "daddr", *_ips("destination", "dst", "dest")), "dest"
        ),
        **dict.fromkeys(("direction", "dir", "chain"), "type"),
        **dict.fromkeys(("target", "policy", "verdict"), "action"),
        **dict.fromkeys(("description", "name", "note"), "comment"),
    },
    Ha: {
        **dict.fromkeys(("managed", "enable", "active", "on"), "enabled"),
        **dict.fromkeys(("restart", "restarts", "max_restarts"), "max_restart"),
        **dict.fromkeys(("relocate", "relocates", "max_relocates"), "max_relocate"),
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
        **dict.fromkeys(("ro", "read_only", "readonly"), "deny_write"),
    },
    MountPoint: {
        **dict.fromkeys(("host", "source", "src", "volume", "from"), "host_path"),
        **dict.fromkeys(
            ("container", "mp", "path", "target", "destination", "dest", "dst", "mount_point", "mountpoint", "to"),
            "container_path",
        ),
        **dict.fromkeys(("uid", "owner", "user"), "owner_uid"),
        **dict.fromkeys(("gid", "group"), "owner_gid"),
        **_MOUNTED,
    },
    RootDisk: _MOUNTED,
    SpreadGroup: {"name": "group", "required": "require", "strict": "require"},
    Volume: {
        **dict.fromkeys(("volume", *_STORAGES), "pool"),
        **dict.fromkeys(_SIZES, "size_gb"),
        **_MOUNTED,
        **dict.fromkeys(("mp", "path", "container_path", "target", "mountpoint"), "mount_point"),
    },
}
_PREFIXES = ("netmask", "subnet_mask", "prefix", "prefix_length", "prefixlen", "cidr", "mask", "subnet")
_DHCP6 = ('Write "ip6": "dhcp" in its place.', "Remove it.")
_SLAAC = ('Write "ip6": "auto" in its place.', "Remove it.")
_OF_ENTRIES = {
    "hostname": "name",
    "searchdomain": "search_domain",
    "domain": "search_domain",
    "onboot": "start_at_boot",
}
"""Names of keys of an entry that are written in one of its sections."""
_OF_THE_ADDRESS = {
    **dict.fromkeys(("dhcp", "dhcp4", "dhcpv4"), ('Write "ip": "dhcp" in its place.', "Remove it.")),
    **dict.fromkeys(("dhcp6", "dhcpv6"), _DHCP6),
    **dict.fromkeys(("slaac", "autoconf", "accept_ra"), _SLAAC),
    **dict.fromkeys(("netmask", "subnet_mask", "prefix"), ("Write it behind the address: ip is 10.0.0.5/24.",) * 2),
    **dict.fromkeys(("enabled", "active"), ("Remove it.", 'Write "link_down": true in its place.')),
}
_OF_ITS_MEANING: Mapping[type[Section], Mapping[str, tuple[str, str]]] = {
    NetworkConfig: _OF_THE_ADDRESS
    | dict.fromkeys(_MAC, ('Write "mac_address": {value} beside network_config, and remove it here.',) * 2),
    FurtherNetwork: _OF_THE_ADDRESS
    | dict.fromkeys(_NAME_SERVERS, ("Write nameservers in network_config, and remove it here.",) * 2),
    Firewall: {
        **dict.fromkeys(
            ("policy", "policies", "default_policy"), ("Write policy_in, policy_out or both in its place.",) * 2
        ),
        **dict.fromkeys(("disable", "disabled"), ('Write "enabled": false in its place.', "Remove it.")),
        **dict.fromkeys(("log", "log_level"), ("Write log_level_in, log_level_out or both in its place.",) * 2),
        **dict.fromkeys(
            ("ipset", "ipsets", "alias", "aliases"),
            ("Remove it: rules name those of the datacenter, such as +office.",) * 2,
        ),
    },
    FirewallRule: {
        **dict.fromkeys(("disable", "disabled"), ('Write "enable": false in its place.', "Remove it.")),
        **dict.fromkeys(("pos", "position", "digest"), ("Remove it: the order of the rules is theirs.",) * 2),
    },
    Volume: {
        **dict.fromkeys(("size_mb", "size_mib", "mb"), ('Write "size": "{value}M" in its place.',) * 2),
        "discard": ('Write "mount_options": ["discard"] in its place.', "Remove it."),
    },
    RootDisk: {
        **dict.fromkeys(_STORAGES, ("Write storage_pool beside root_disk, and remove it here.",) * 2),
        **dict.fromkeys(("size", *_SIZES), ("Write storage_size_gb beside root_disk, and remove it here.",) * 2),
        "backup": ("Remove it: Proxmox's backups always have the root disk.",) * 2,
        "discard": ('Write "mount_options": ["discard"] in its place.', "Remove it."),
    },
    MountPoint: {"create": ("Remove it: the directory is made unless it is there.",) * 2},
}
"""What to do about a key for which the section has no other, when it is on and when it is off."""
_OFF = (False, 0, "0", "false", "no", "off")
_ALIKE = 0.6
_MORE_ALIKE = 0.75
"""Where another key than the one that is meant would open or write what was closed."""


def remedy(
    where: str, key: str, section: Mapping[str, Any], entry: Mapping[str, Any], of_entries: Container[str] = ()
) -> str:
    """Say what to write in the place of a key that the section at `where` does not have; followed, it is loaded."""
    model, value, name = SECTIONS[where], section[key], spelled(key).strip("_=")
    return (
        _other_kind(model, name, value)
        or _with_prefix(name, section.get("ip"), value)
        or likely_parts.remedy(model, name, section, value)
        or _by_meaning(model, name, value, entry)
        or _of_entry(where, name, value, entry, of_entries)
        or _by_name(model, name, section)
    )


def _by_meaning(model: type[Section], name: str, value: Any, entry: Mapping[str, Any]) -> str | None:
    if model is NetworkConfig and name in _MAC and entry.get("mac_address") not in (None, ""):
        return "Remove it: mac_address is there, beside network_config."
    meant = _OF_ITS_MEANING.get(model, {}).get(name)
    if meant is None:
        return None
    return meant[value in _OFF].replace('"{value}M"', json.dumps(f"{value}M")).replace("{value}", json.dumps(value))


def _of_entry(where: str, name: str, value: Any, entry: Mapping[str, Any], of_entries: Container[str]) -> str | None:
    """Tell a key of the entry that is written in one of its sections."""
    beside, model = _OF_ENTRIES.get(name, name), SECTIONS[where]
    if beside not in of_entries or "." in where or name in model.model_fields or name in _RENAMED[model]:
        return None
    if entry.get(beside) not in (None, "", [], {}):
        return f"Remove it: {beside} is there, beside {where}."
    return f'Write "{beside}": {json.dumps(value)} beside {where}, and remove it here.'


def _by_name(model: type[Section], name: str, section: Mapping[str, Any]) -> str:
    alike = _MORE_ALIKE if model in (FirewallRule, MountPoint, Volume) else _ALIKE
    close = difflib.get_close_matches(name, model.model_fields, 1, alike)
    likely = name if name in model.model_fields else _RENAMED[model].get(name) or next(iter(close), None)
    if likely is None:
        known = ", ".join(model.model_fields)
        wider = f"Write what it says with one of {known}; or remove the rule, which would be wider without it."
        return wider if model is FirewallRule else f"Remove it. Known are: {known}."
    if section.get(likely) not in (None, ""):
        return f"Remove it: {likely} is there and was probably meant."
    return f"{likely} was probably meant: write that."


def _other_kind(model: type[Section], name: str, value: Any) -> str | None:
    """Tell a volume among bind mounts, and a bind mount among volumes, where one key names either of them."""
    if name not in ("volume", "source", "src", "host_path") or not isinstance(value, str):
        return None
    of_node = value.startswith("/")
    if model is MountPoint and not of_node and name != "host_path":
        return "Write it in volumes, with pool, size and mount_point: it is no directory of the node."
    if model is Volume and of_node:
        return "Write it in mount_points, with host_path and container_path: it is a directory of the node."
    return None


def _with_prefix(name: str, address: Any, mask: Any) -> str | None:
    """Put a netmask or a prefix length behind its address."""
    if name not in _PREFIXES:
        return None
    try:
        whole = ipaddress.IPv4Interface(f"{address}/{str(mask).removeprefix('/')}")
    except ValueError:
        return None
    return f'Write "ip": "{whole}", and remove it.'
