"""Names that other tools have for what is a key of ours, where Proxmox itself has none of that name.

They are from Terraform's two providers, Ansible's module, the helper scripts, and the parts of Proxmox's own values.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog import tool_blocks
from phoenix_worker.catalog.foreign_values import OF_OTHER_TOOLS
from phoenix_worker.catalog.mount_blocks import block, spelled
from phoenix_worker.catalog.old_forms import SWITCHES

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARTS = {
    **dict.fromkeys(SWITCHES, "pct_options"),
    **dict.fromkeys(
        ("bridge", "ip", "gw", "ip6", "gw6", "vlan", "vlan_tag", "mtu", "trunks", "link_down", "host_managed"),
        "network_config",
    ),
    "mountoptions": "mount_options of a volume or of mount_points",
}
_ROOT = "storage_pool, with storage_size_gb,"
_TERRAFORM = {
    **dict.fromkeys(
        ("network", "network_interface", "network_interfaces", "ip_config", "ip_configs"), "network_config"
    ),
    **dict.fromkeys(("mountpoint", "mount_point", "mounts", "bind_mounts", "binds"), "mount_points or volumes"),
    **dict.fromkeys(("hagroup", "hastate"), "ha"),
    **dict.fromkeys(("device_passthrough", "device_passthroughs"), "devices"),
    **dict.fromkeys(("idmap", "idmaps", "id_map"), "id_maps"),
    **dict.fromkeys(("firewall_enabled", "firewall_options", "firewall_rules", "security_groups"), "firewall"),
    "cpu": "cores",
    "disk": _ROOT,
    "environment_variables": "environment, of a container that begins with an image,",
    "initialization": "name, with network_config, search_domain and ssh_public_keys,",
    "operating_system": "template, with os_type,",
    "user_account": "ssh_public_keys, with password,",
    "wait_for_ip": "wait_for_address",
}
_ANSIBLE = {
    "mount_volumes": "volumes or mount_points",
    "disk_volume": _ROOT,
    **dict.fromkeys(
        ("name_server", "name_servers", "nameservers", "dns", "dns_server", "dns_servers"),
        "nameservers in network_config",
    ),
    **dict.fromkeys(("ip_address", "gateway"), "network_config"),
    **dict.fromkeys(("root_password", "ct_password", "passwd"), "password"),
    "netif": "network_config, with networks for further interfaces,",
    "privileged": "unprivileged, which is its opposite,",
}
_HELPER_SCRIPTS = {
    **dict.fromkeys(("var_brg", "var_net", "var_gateway", "var_vlan", "var_mtu", "var_ns"), "network_config"),
    **{f"var_{name}": "pct_options" for name in SWITCHES},
    **dict.fromkeys(("var_os", "var_version"), "template"),
    "var_gpu": "devices or gpu_assignment",
    "var_pw": "password",
    "var_tun": "devices",
}
_OURS = {name: ours for name, (ours, _) in OF_OTHER_TOOLS.items()} | _PARTS | _TERRAFORM | _ANSIBLE | _HELPER_SCRIPTS


def meant(key: str) -> str | None:
    """Name the key of ours that a key of another tool is; None where it is none."""
    return _OURS.get(spelled(key))


def is_ctid(key: str) -> bool:
    """Return whether a key of another tool names a container by its CTID."""
    return spelled(key) in {"vm_id", "ct_id"}


def written(key: str, value: Any, entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Write what a key of another tool says, in keys of ours; None where it cannot be read."""
    name, value = spelled(key), _parsed(value)
    if name in SWITCHES and str(value).lower() in {"1", "true"} and not entry.get("pct_options"):
        return {"pct_options": [f"{name}=1"]}
    if name in OF_OTHER_TOOLS:
        ours, read = OF_OTHER_TOOLS[name]
        found = read(value)
        return found and {one or ours: part for one, part in found.items()}
    reads = tool_blocks.BLOCKS.get(name)
    return None if reads is None else reads(value, entry)


def _parsed(value: Any) -> Any:
    """Read the JSON of an object or of a list, which Ansible takes in their place."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def besides(key: str, value: Any) -> str:
    """Say what a block has that is never written out."""
    inner = block(value) or {}
    account = inner if spelled(key) == "user_account" else block(inner.get("user_account")) or {}
    return ' Name its password: "password": {"env": NAME}.' if account.get("password") else ""
