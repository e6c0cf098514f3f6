"""Every key that an entry may have: a value, another one, and what a change from one to the other is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from phoenix_worker.catalog.entry import Entry
from phoenix_worker.catalog.likely_keys import SECTIONS
from tests.unit.catalog_files import OS_TEMPLATE


class How(Enum):
    """How a container becomes as it is declared now."""

    API = "an API token can change it"
    ROOT = "only root on the node can"
    CREATION = "nothing can: it is set when the container is created"
    BESIDE = "it is no property of the container in Proxmox"


@dataclass(frozen=True)
class Row:
    """One key."""

    first: Any
    then: Any
    how: How = How.API
    waits: bool = False
    """Whether a running container takes it only at its next start."""
    needs: tuple[int, ...] | None = None
    """The version of Proxmox that has it, if the oldest supported one has not."""
    beside: dict[str, Any] | None = None
    """What it takes beside it, in its section or in the entry."""


def waits(first: Any, then: Any, **more: Any) -> Row:
    return Row(first, then, waits=True, **more)


def root(first: Any, then: Any, **more: Any) -> Row:
    return Row(first, then, How.ROOT, **more)


def beside(first: Any, then: Any, **more: Any) -> Row:
    return Row(first, then, How.BESIDE, **more)


def on(**more: Any) -> Row:
    return Row(first=True, then=False, **more)


def off(**more: Any) -> Row:
    return Row(first=False, then=True, **more)


CREATED = How.CREATION
IMAGE = {"template": "local:vztmpl/app.tar"}
PRIVILEGED = {"unprivileged": False}
OTHER_TEMPLATE = "local:vztmpl/other.tar.zst"
_OCI = (9, 1)
_DISKS = {
    "read_only": on(waits=True),
    "shared": on(waits=True),
    "quota": on(waits=True, beside=PRIVILEGED),
    "acl": on(waits=True),
    "replicate": off(waits=True),
    "mount_options": waits(["noatime"], ["nodev", "noatime"]),
    "idmap": waits("passthrough", "u:0:7:1;g:0:7:1", needs=(9, 1, 11)),
}
_MOUNTS = _DISKS | {"backup": on(waits=True), "keepattrs": on(waits=True, needs=(9, 1, 6))}
_INTERFACES = {
    "bridge": Row("vmbr0", "vmbr1"),
    "name": Row("eth0", "lan"),
    "ip": Row("10.0.0.5/24", "dhcp"),
    "gw": Row("10.0.0.1", "10.0.0.2", beside={"ip": "10.0.0.5/24"}),
    "ip6": Row("auto", "fd00::5/64"),
    "gw6": Row("fd00::1", "fd00::2", beside={"ip6": "fd00::5/64"}),
    "vlan": Row(7, 8),
    "trunks": waits([7], [7, 8]),
    "mtu": waits(1400, 9000),
    "rate": Row(12.5, 5),
    "firewall": on(),
    "link_down": off(),
    "host_managed": on(waits=True, needs=_OCI),
}
_RULES = {
    "group": Row("web", "db"),
    "type": Row("in", "out"),
    "action": Row("ACCEPT", "DROP"),
    "proto": Row("tcp", "udp"),
    "source": Row("10.0.0.1", "+office"),
    "dest": Row("10.0.0.1", "10.0.0.0/24"),
    "port": Row("443", "80,443", beside={"proto": "tcp"}),
    "macro": Row("SSH", "HTTPS"),
    "source_port": Row("1024:65535", "53", beside={"proto": "udp"}),
    "icmp_type": Row("echo-request", "echo-reply", beside={"proto": "icmp"}),
    "iface": Row("net0", "net1"),
    "enable": on(),
    "log": Row("info", "err"),
    "comment": Row("Office", "Home"),
}
_FIREWALL = {
    "enabled": on(),
    "policy_in": Row("DROP", "REJECT"),
    "policy_out": Row("ACCEPT", "DROP"),
    "log_level_in": Row("info", "nolog"),
    "log_level_out": Row("info", "nolog"),
    **{key: on() for key in ("dhcp", "ndp", "radv", "macfilter", "ipfilter")},
    "rules": Row([{"type": "in", "action": "DROP"}], []),
}
_DEVICES = {
    "path": root("/dev/kvm", "/dev/net/tun", needs=(8, 1)),
    "uid": root(1, 2, needs=(8, 1), waits=True),
    "gid": root(44, 45, needs=(8, 1), waits=True),
    "mode": root("0660", "0666", needs=(8, 1), waits=True),
    "deny_write": on(how=How.ROOT, needs=(8, 2, 5), waits=True),
}
_VOLUMES = _MOUNTS | {
    "name": beside("data", "other"),
    "pool": Row("tank", "fast", CREATED),
    "size": Row("512M", "1.5G"),
    "size_gb": Row(8, 9),
    "mount_point": Row("/data", "/srv"),
}
_HA = {"max_restart": Row(1, 2), "max_relocate": Row(1, 2), "group": Row("one", "two"), "enabled": on()}
_KEYS = {
    "name": Row("web", "www"),
    "clone_from_ctid": Row(900, 901, CREATED),
    "template": Row(OS_TEMPLATE, OTHER_TEMPLATE, CREATED),
    "checksum": beside(f"md5:{'a' * 32}", f"md5:{'b' * 32}", beside={"template": "https://example.org/x.tar.zst"}),
    "storage_pool": Row("local-lvm", "tank", CREATED),
    "storage_size_gb": Row(8, 9),
    "root_disk": waits({"acl": True}, {"acl": False}),
    "memory_mb": Row(512, 1024),
    "swap_mb": Row(0, 512),
    "cores": Row(1, 2),
    "cpu_limit": Row(1.5, 0),
    "cpu_units": Row(50, 100),
    "network_config": Row({"bridge": "vmbr0"}, {"bridge": "vmbr1"}),
    "networks": Row([{"bridge": "vmbr1"}], [{"bridge": "vmbr1"}, {"bridge": "vmbr2"}]),
    "mac_address": Row("52:54:00:AA:BB:01", "52:54:00:AA:BB:02", beside={"network_config": {"bridge": "vmbr0"}}),
    "search_domain": waits("lan", ["lan", "example.org"]),
    "unprivileged": on(how=CREATED),
    "start_at_boot": on(),
    "boot_order": Row(1, 2),
    "boot_delay": Row(1, 2),
    "boot_down_delay": Row(1, 2),
    "protection": on(),
    "timezone": waits("Europe/Berlin", "UTC"),
    "console": on(waits=True),
    "tty": waits(1, 2),
    "cmode": waits("shell", "tty"),
    "entrypoint": waits("/sbin/init", "/bin/app", needs=_OCI),
    "environment": waits({"A": "1"}, {"A": "2"}, needs=_OCI, beside=IMAGE),
    "os_type": Row("debian", "ubuntu", CREATED),
    "arch": Row("amd64", "arm64", CREATED),
    "hookscript": root("local:snippets/a.sh", "local:snippets/b.sh"),
    "pct_options": root(["fuse=1"], ["fuse=0"], waits=True),
    "lxc_options": root(["lxc.cap.drop="], ["lxc.cap.drop=sys_time"], waits=True),
    "apparmor_profile": root("generated", "unconfined", waits=True),
    "apparmor_manages_nesting": off(how=How.ROOT, waits=True),
    "id_maps": root(["u 0 100000 65536"], ["u 0 200000 65536"], waits=True),
    "gpu_assignment": root("0", "1", waits=True),
    "devices": root([{"path": "/dev/kvm"}], [{"path": "/dev/kvm"}, {"path": "/dev/fuse"}], needs=(8, 1)),
    "mount_points": root([{"host_path": "/a", "container_path": "/a"}], [{"host_path": "/b", "container_path": "/b"}]),
    **dict.fromkeys(
        ("zfs_volumes", "volumes"),
        Row([], [{"pool": "tank", "size_gb": 8, "mount_point": "/data"}]),
    ),
    "firewall": Row({"enabled": True}, {"enabled": False}),
    "ssh_public_keys": beside(["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey a"], []),
    "password": beside({"env": "SECRET"}, {"env": "OTHER"}),
    "features": beside(["base"], ["base", "web"]),
    "application_script": beside("app.sh", "web.sh"),
    "script_files": beside({"base": "base.sh"}, {"base": "web.sh"}, beside={"features": ["base"]}),
    "script_timeouts": beside({"base": 60}, {"base": 90}, beside={"features": ["base"]}),
    "health_check": beside({"command": "true"}, {"command": "false"}),
    "dependencies": beside(["1002"], ["1003"]),
    "enable_lifecycle_snapshots": on(how=How.BESIDE),
    "node": beside("pve1", "pve2"),
    "spread": beside("web", "db"),
    "clone": Row("full", "linked", CREATED, beside={"clone_from_ctid": 900}),
    "lanes": beside(1, 2, beside={"is_template": True}),
    "is_template": on(how=How.BESIDE),
    "state": beside("running", "stopped"),
    "wait_for_address": beside(30, 60),
    "tags": Row(["web"], ["db"]),
    "description": Row("The site.", "Another."),
    "pool": Row("web", "db"),
    "ha": on(),
}
_HEALTH = {
    "command": beside("true", "false"),
    "script": beside("well.sh", "other.sh"),
    "retries": beside(3, 4),
    "interval": beside(5, 6),
}
_SPREAD = {"group": beside("web", "db"), "require": on(how=How.BESIDE)}
_BINDS = {key: replace(row, how=How.ROOT, waits=True) for key, row in _MOUNTS.items() if key != "quota"} | {
    "quota": off(how=How.ROOT, waits=True, beside=PRIVILEGED),
    "host_path": root("/srv", "/tank", waits=True),
    "container_path": root("/srv", "/data"),
    "owner_uid": beside(1000, 1001),
    "owner_gid": beside(1000, 1001),
}
OF_SECTIONS: dict[str, dict[str, Row]] = {
    "network_config": _INTERFACES | {"nameservers": waits(["9.9.9.9"], ["1.1.1.1"])},
    "networks": _INTERFACES | {"mac_address": Row("52:54:00:AA:BB:01", "52:54:00:AA:BB:02")},
    "firewall": _FIREWALL,
    "ha": _HA,
    "firewall.rules": _RULES,
    "health_check": _HEALTH,
    "devices": _DEVICES,
    "mount_points": _BINDS,
    "root_disk": _DISKS,
    "spread": _SPREAD,
    "zfs_volumes": _VOLUMES,
    "volumes": _VOLUMES,
}
ROWS: dict[str, Row] = _KEYS | {
    f"{where}.{key}": row for where, rows in OF_SECTIONS.items() for key, row in rows.items()
}
KEYS = [*Entry.model_fields, *(f"{where}.{key}" for where, model in SECTIONS.items() for key in model.model_fields)]
_WHOLE: dict[str, dict[str, Any]] = {
    "network_config": {"bridge": "vmbr0"},
    "networks": {"bridge": "vmbr1"},
    "firewall": {"enabled": True},
    "firewall.rules": {"type": "in", "action": "ACCEPT"},
    "health_check": {"command": "true"},
    "devices": {"path": "/dev/kvm"},
    "mount_points": {"host_path": "/srv", "container_path": "/srv"},
    "spread": {"group": "web"},
    "zfs_volumes": {"pool": "tank", "size_gb": 8, "mount_point": "/data"},
    "volumes": {"pool": "tank", "size_gb": 8, "mount_point": "/data"},
}
_INSTEAD = {"group": ("type", "action"), "script": ("command",), "size": ("size_gb",)}
"""What a key stands in the place of."""
_LISTS = frozenset({"networks", "devices", "mount_points", "zfs_volumes", "volumes"})


def entry(key: str, value: Any) -> dict[str, Any]:
    """An entry with this value of this key, and with what that takes beside it."""
    row, (where, _, part) = ROWS[key], key.rpartition(".")
    plain = {"name": "web", "template": OS_TEMPLATE, "storage_size_gb": 8}
    more = row.beside or {}
    if not where:
        origin = {"template": None} if "clone_from_ctid" in {key, *more} else {}
        return plain | origin | more | {key: value}
    outside = more if more is PRIVILEGED else {}
    section = _WHOLE.get(where, {}) | ({} if outside else more) | {part: value}
    for other in _INSTEAD.get(part, ()) if where not in {"spread", "ha"} else ():
        del section[other]
    if where == "firewall.rules":
        return plain | {"firewall": {"enabled": True, "rules": [section]}}
    return plain | outside | {where: [section] if where in _LISTS else section}
