"""Blocks of Terraform and dictionaries of Ansible, in an entry: the keys of ours that say the same.

Each function reads one value, with the entry that it stands in. It returns what to write, and None when it cannot read
all of it: what is told in the place of a block says the whole of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from phoenix_worker.catalog import firewall_blocks, foreign_values, mount_blocks, old_forms, proxmox_forms
from phoenix_worker.catalog.mount_blocks import block, blocks, renamed, spelled
from phoenix_worker.catalog.network_sections import FurtherNetwork, NetworkConfig
from phoenix_worker.catalog.template_fields import is_image

_Entry = Mapping[str, Any]
Read = Callable[[Any, _Entry], dict[str, Any] | None]
_INTERFACES = ("network_interface", "network_interfaces", "network")
_INTERFACE = {
    **{name: name for name in ("name", "bridge", "ip", "ip6", "gw", "gw6", "mtu", "rate", "trunks")},
    **{name: name for name in ("firewall", "link_down", "host_managed")},
    **dict.fromkeys(("vlan_id", "vlan", "tag"), "vlan"),
    **dict.fromkeys(("mac_address", "hwaddr", "macaddr"), "mac_address"),
    "rate_limit": "rate",
    "enabled": "enabled",
}
_NONE_OF_IT = (0, -1, "", "0", "-1")
"""What other tools write for no VLAN, MTU or rate."""
_SECONDS = 60
"""For an address, where Terraform waits as long as the whole of its order may take."""
_BLANK: tuple[Any, ...] = (None, "", [])
_BRIDGE = "vmbr0"
"""Terraform's, where it names none."""


def _renaming(names: Mapping[str, str]) -> Read:
    return lambda value, _: renamed(value, names)


def _cpu(value: Any, _: _Entry) -> dict[str, Any] | None:
    if isinstance(value, int | str):
        cores = foreign_values.number(value)
        return cores and {"cores": cores[""]}
    return renamed(value, {"cores": "cores", "units": "cpu_units", "limit": "cpu_limit", "architecture": "arch"})


def _root(value: Any, _: _Entry) -> dict[str, Any] | None:
    """Read `disk` and `disk_volume`."""
    if isinstance(value, int | str):
        size = foreign_values.gib(value)
        return size and {name or "storage_size_gb": one for name, one in size.items()}
    told = renamed(value, {"datastore_id": "storage", "storage": "storage", "size": "size", **mount_blocks.OPTIONS})
    how = told and mount_blocks.flags({name: one for name, one in told.items() if name not in {"storage", "size"}})
    size = foreign_values.gib((told or {}).get("size"))
    if told is None or how is None or size is None or "storage" not in told:
        return None
    return {"storage_pool": told["storage"], "storage_size_gb": size[""]} | ({"root_disk": how} if how else {})


def _initialization(value: Any, entry: _Entry) -> dict[str, Any] | None:
    init = block(value)
    if init is None or init.keys() - {"hostname", "dns", "ip_config", "ip_configs", "user_account", "entrypoint"}:
        return None
    told = {"name": init.get("hostname"), "entrypoint": init.get("entrypoint"), **(_interfaces(None, entry) or {})}
    domain, account = (block(init.get("dns")) or {}).get("domain"), block(init.get("user_account")) or {}
    keys = foreign_values.keys(account.get("keys") or [])
    return _said(told | {"search_domain": domain, "ssh_public_keys": (keys or {}).get("")})


def _account(value: Any, _: _Entry) -> dict[str, Any] | None:
    keys = foreign_values.keys((block(value) or {}).get("keys") or [])
    return keys and {"ssh_public_keys": keys[""]}


def _said(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in told.items() if (one.strip() if isinstance(one, str) else one) not in _BLANK}


def _interfaces(_: Any, entry: _Entry) -> dict[str, Any] | None:
    """Read the interfaces of an entry, with their addresses and the name servers in `initialization`."""
    inside = {spelled(name): one for name, one in entry.items()}
    given = next((inside[name] for name in _INTERFACES if inside.get(name)), None)
    init = block(inside.get("initialization")) or {}
    told = [addresses(one) for one in blocks(init.get("ip_config") or init.get("ip_configs")) or []]
    items = [_interface(one) for one in blocks(given) or []] or [{"bridge": _BRIDGE} for _ in told[:1]]
    if len(told) > len(items):
        return None
    whole = [one and one | more for one, more in zip(items, [*told, *[{}] * len(items)], strict=False)]
    return _networks(whole, name_servers(init.get("dns")))


def _networks(items: list[dict[str, Any] | None], servers: list[str]) -> dict[str, Any] | None:
    """Write the first as `network_config`, with its MAC beside it, and the others as `networks`."""
    told = [one for one in items if one is not None]
    if not told or len(told) < len(items):
        return None
    first, *others = told
    mac = first.pop("mac_address", None)
    first |= {"nameservers": servers} if servers else {}
    fits = proxmox_forms.fits(NetworkConfig, first) and all(proxmox_forms.fits(FurtherNetwork, one) for one in others)
    return _said({"network_config": first, "mac_address": mac, "networks": others}) if fits else None


def _interface(value: Mapping[str, Any]) -> dict[str, Any] | None:
    told = renamed(value, _INTERFACE, without=("id", "type", "enabled" if value.get("enabled", True) is True else ""))
    if told is None:
        return None
    if told.pop("enabled", True) is False:
        told["link_down"] = True
    optional = ("vlan", "mtu", "rate")
    told = {name: one for name, one in told.items() if name not in optional or one not in _NONE_OF_IT}
    whole = {name: foreign_values.number(one) for name, one in told.items() if name in ("vlan", "mtu")}
    return {"bridge": _BRIDGE} | told | {name: one[""] for name, one in whole.items() if one}


def addresses(value: Mapping[str, Any]) -> dict[str, Any]:
    """Read the addresses and gateways of one interface."""
    ipv4, ipv6 = block(value.get("ipv4")) or {}, block(value.get("ipv6")) or {}
    told = {
        "ip": ipv4.get("address"),
        "gw": ipv4.get("gateway"),
        "ip6": ipv6.get("address"),
        "gw6": ipv6.get("gateway"),
    }
    return _said(told)


def name_servers(value: Any) -> list[str]:
    """Read the name servers of a block."""
    dns = block(value) or {}
    servers = dns.get("servers") or dns.get("server") or []
    return servers if isinstance(servers, list) else re.split(r"[\s,;]+", str(servers))


def _netif(value: Any, _: _Entry) -> dict[str, Any] | None:
    """Read Ansible's `net0` and so on."""
    if not isinstance(value, dict) or not value or not all(re.fullmatch(r"net[0-9]{1,2}", name) for name in value):
        return None
    items = (proxmox_forms.interface(value[name]) for name in sorted(value, key=lambda name: (len(name), name)))
    return _networks(list(items), [])


def _devices(value: Any, _: _Entry) -> dict[str, Any] | None:
    names = {name: name for name in ("path", "uid", "gid", "mode", "deny_write")}
    told = [renamed(one, names) for one in blocks(value) or []]
    return {"devices": told} if told and None not in told else None


def _id_maps(value: Any, _: _Entry) -> dict[str, Any] | None:
    return old_forms.id_maps(
        {"id_maps": [{spelled(name): part for name, part in one.items()} for one in blocks(value)]}
    )


def _waiting(value: Any, _: _Entry) -> dict[str, Any] | None:
    on = any(foreign_values.flag(one) == {"": True} for one in (block(value) or {}).values())
    return {"wait_for_address": _SECONDS} if on else None


def _environment(value: Any, entry: _Entry) -> dict[str, Any] | None:
    """Read the variables of a container that begins with an image."""
    told = foreign_values.environment(value) if is_image(str(entry.get("template") or "")) else None
    return told and {"environment": told[""]}


BLOCKS: Mapping[str, Read] = {
    **dict.fromkeys(_INTERFACES, _interfaces),
    **dict.fromkeys(
        ("mount_point", "mount_points", "mountpoint", "mounts", "mount_volumes", "bind_mounts"), mount_blocks.mounts
    ),
    **dict.fromkeys(("disk", "disk_volume"), _root),
    **dict.fromkeys(("device_passthrough", "device_passthroughs"), _devices),
    **dict.fromkeys(("idmap", "idmaps", "id_map"), _id_maps),
    **dict.fromkeys(("firewall_options", "firewall_rules"), firewall_blocks.read),
    "cpu": _cpu,
    "environment_variables": _environment,
    "initialization": _initialization,
    "netif": _netif,
    "user_account": _account,
    "wait_for_ip": _waiting,
    "operating_system": _renaming({"template_file_id": "template", "type": "os_type"}),
}
"""What they are called there, in the spelling of our keys."""
