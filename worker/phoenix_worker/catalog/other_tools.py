"""Names that other tools have for what is a key of ours, where Proxmox itself has none of that name.

They are from Terraform's two providers, Ansible's module, and the parts of Proxmox's own values.
"""

from __future__ import annotations

import re

_PARTS = {
    **dict.fromkeys(("nesting", "keyctl", "fuse", "mknod", "force_rw_sys"), "pct_options"),
    **dict.fromkeys(("hwaddr", "macaddr"), "mac_address"),
    **dict.fromkeys(
        ("bridge", "ip", "gw", "ip6", "gw6", "vlan", "vlan_tag", "mtu", "trunks", "link_down", "host_managed"),
        "network_config",
    ),
    "mountoptions": "mount_options of a volume or of mount_points",
}
_TERRAFORM = {
    **dict.fromkeys(("network", "network_interface", "initialization", "ip_config"), "network_config"),
    **dict.fromkeys(("mountpoint", "mount_point"), "mount_points or volumes"),
    **dict.fromkeys(("target_node", "node_name"), "node"),
    **dict.fromkeys(("start_on_boot", "on_boot"), "start_at_boot"),
    **dict.fromkeys(("hook_script", "hook_script_file_id"), "hookscript"),
    **dict.fromkeys(("hagroup", "hastate"), "ha"),
    "datastore_id": "storage_pool",
    "device_passthrough": "devices",
    "environment_variables": "environment",
    "operating_system": "template, with os_type,",
    "pool_id": "pool",
    "started": "state",
    "wait_for_ip": "wait_for_address",
}
_ANSIBLE = {
    "mounts": "mount_points or volumes",
    **dict.fromkeys(("mount_volumes", "disk_volume"), "volumes"),
    **dict.fromkeys(("pubkey", "ssh_keys", "authorized_keys"), "ssh_public_keys"),
    **dict.fromkeys(("disk", "disk_size"), "storage_size_gb"),
    **dict.fromkeys(("nameservers", "dns_servers"), "nameservers in network_config"),
    **dict.fromkeys(("clone_type", "full", "full_clone"), "clone"),
    "cpus": "cores",
    "ip_address": "network_config",
    "netif": "network_config, with networks for further interfaces,",
    "ram": "memory_mb",
    "ram_mb": "memory_mb",
}
_OURS = _PARTS | _TERRAFORM | _ANSIBLE


def meant(key: str) -> str | None:
    """Name the key of ours that a key of another tool is; None where it is none."""
    return _OURS.get(re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[-. ]+", "_", key).lower())
