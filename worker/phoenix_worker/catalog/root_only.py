"""What of an entry only root on the node may set, in the spelling of Proxmox and LXC."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog.fields import parse_lxc_option
from phoenix_worker.catalog.host_parts import GPU_CONTROL_DEVICES, BindMount, DeviceNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.catalog.entry import Entry, ParsedEntry
    from phoenix_worker.catalog.mount_sections import MountPoint

PROFILE = "lxc.apparmor.profile"
ID_MAP = "lxc.idmap"
_LISTS = frozenset({"lxc.cap.keep", "lxc.cap.drop"})
"""Keys whose values are written with commas in the catalog; LXC takes one a line."""
_KNOWN = re.compile(
    r"lxc\.("
    r"(cgroup2?|prlimit|net|limit|network)\..+"
    r"|apparmor\.(profile|allow_incomplete|allow_nesting|raw)|aa_profile|aa_allow_incomplete"
    r"|selinux\.context|se_context|include|arch|uts\.name|utsname"
    r"|signal\.(halt|reboot|stop)|haltsignal|rebootsignal|stopsignal|init\.(cmd|cwd|uid|gid|groups)|init_cmd"
    r"|pty\.max|pts|console\.(logfile|path)|console|tty\.max|tty|devtty\.dir|devttydir|autodev|kmsg"
    r"|mount\.(fstab|entry|auto)|mount|rootfs\.mount|cap\.(drop|keep)"
    r"|seccomp\.profile|seccomp\.notify\.(proxy|cookie)|seccomp|idmap|id_map"
    r"|hook\.(autodev|pre-start|pre-mount|mount|start|stop|post-stop|clone|destroy|version)"
    r"|log\.(level|file)|loglevel|logfile|start\.(auto|delay|order)|group|environment(\.runtime|\.hooks)?"
    r"|sysctl\.(fs\.mqueue|kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced))"
    r")"
)
"""The keys of `is_valid_lxc_conf_key` in pve-container's `PVE::LXC::Config`; it drops a line with any other."""


def token_options(entry: Entry, *, unprivileged: bool) -> tuple[str, ...]:
    """Those of `pct_options` that an API token may set: `nesting`, and only for unprivileged containers."""
    nesting = (option for option in entry.pct_options if option.startswith("nesting="))
    return tuple(dict.fromkeys(nesting)) if unprivileged else ()


def root_only(parsed: ParsedEntry, *, unprivileged: bool) -> dict[str, Any]:
    """Return the fields of a declaration that only root may set, by name."""
    entry = parsed.entry
    return {
        "root_features": _features(entry, unprivileged=unprivileged),
        "devices": _devices(entry) if parsed.declares("gpu_assignment") else None,
        "device_nodes": tuple(DeviceNode(device.path, device.in_proxmox) for device in entry.devices),
        "bind_mounts": tuple(map(_bind_mount, entry.mount_points)),
        "raw_lines": tuple(dict.fromkeys(line for _, line in raw_lines(entry) if known(line[0]))),
    }


def root_only_keys(parsed: ParsedEntry, *, unprivileged: bool, inherits_gpus: bool) -> Iterator[str]:
    """Name the keys of an entry that only root can give an effect."""
    entry = parsed.entry
    if _features(entry, unprivileged=unprivileged):
        yield "pct_options"
    if entry.hookscript is not None:
        yield "hookscript"
    if entry.gpu_assignment != "none" or (inherits_gpus and parsed.declares("gpu_assignment")):
        yield "gpu_assignment"
    if entry.devices:
        yield "devices"
    if entry.mount_points:
        yield "mount_points"
    yield from dict.fromkeys(key for key, line in raw_lines(entry) if known(line[0]))


def raw_lines(entry: Entry) -> Iterator[tuple[str, tuple[str, str]]]:
    """Give each raw line of an entry, as key and value, with the catalog's key that it comes from."""
    for option in entry.lxc_options:
        key, value = parse_lxc_option(option)
        for part in value.split(",") if key in _LISTS else [value]:
            yield "lxc_options", (key, part.strip())
    if entry.apparmor_profile is not None:
        yield "apparmor_profile", (PROFILE, entry.apparmor_profile)
    if entry.apparmor_manages_nesting:
        yield "apparmor_manages_nesting", ("lxc.apparmor.allow_nesting", "1")
    for id_map in entry.id_maps:
        yield "id_maps", (ID_MAP, id_map)


def known(key: str) -> bool:
    """Return whether Proxmox keeps a raw line with this key."""
    return _KNOWN.fullmatch(key) is not None


def plain_path(path: str) -> str:
    """Spell a path as Proxmox resolves it: no doubled or trailing slashes."""
    return posixpath.normpath(f"/{path.lstrip('/')}")


def _features(entry: Entry, *, unprivileged: bool) -> tuple[str, ...]:
    by_token = token_options(entry, unprivileged=unprivileged)
    return tuple(option for option in dict.fromkeys(entry.pct_options) if option not in by_token)


def _devices(entry: Entry) -> tuple[str, ...]:
    if entry.gpu_assignment == "none":
        return ()
    gpus = (f"/dev/nvidia{int(index)}" for index in entry.gpu_assignment.split(","))
    return (*dict.fromkeys(gpus), *GPU_CONTROL_DEVICES)


def _bind_mount(declared: MountPoint) -> BindMount:
    paths = plain_path(declared.host_path), plain_path(declared.container_path)
    return BindMount(*paths, declared.owner_uid, declared.owner_gid, declared.in_proxmox)
