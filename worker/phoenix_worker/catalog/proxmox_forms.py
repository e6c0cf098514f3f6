"""Values as Proxmox, Compose or other tools write them: how our sections say the same.

Each function reads one key of an entry; None where it is in none of these forms.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from phoenix_worker.catalog.mount_sections import MountPoint, RootDisk, Volume
from phoenix_worker.catalog.network_sections import FurtherNetwork, NetworkConfig
from phoenix_worker.catalog.sections import Firewall, FirewallRule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phoenix_worker.catalog.sections import Section

_INTERFACE = {
    **{name: name for name in ("name", "bridge", "ip", "gw", "ip6", "gw6", "rate", "mtu", "firewall", "link_down")},
    "tag": "vlan",
    "hwaddr": "mac_address",
    "trunks": "trunks",
    "host-managed": "host_managed",
}
_MOUNT = {
    "ro": "read_only",
    **{name: name for name in ("backup", "shared", "quota", "acl", "replicate", "keepattrs", "idmap")},
    "mountoptions": "mount_options",
}
_FLAGS = frozenset({"firewall", "link_down", "host-managed", *_MOUNT} - {"mountoptions", "idmap"})
_NUMBERS = frozenset({"tag", "mtu", "rate"})
_LISTS = frozenset({"trunks", "mountoptions"})
_WHOLE = re.compile(r"[0-9]{1,18}")
"""Longer ones are no values, and Python refuses to read those of 4,300 digits."""
_WITHOUT_EFFECT = frozenset({"type", "size"})


def network_config(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read `name=eth0,bridge=vmbr0,…`; its MAC goes beside it."""
    found = interface(entry["network_config"])
    mac = {} if found is None or "mac_address" not in found else {"mac_address": found.pop("mac_address")}
    return {"network_config": found} | mac if found is not None and fits(NetworkConfig, found) else None


def networks(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read one or more interfaces, as Proxmox writes them or by their bridges alone."""
    return _each("networks", entry, interface, FurtherNetwork)


def mount_points(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read `/host:/container:ro`, as Compose has it, or Proxmox's `/host,mp=/container,ro=1`."""
    return _each("mount_points", entry, _bind, MountPoint)


def zfs_volumes(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the same under its other key."""
    return _each("zfs_volumes", entry, _volume, Volume)


def volumes(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read `STORAGE:GIB,mp=/path,…`."""
    return _each("volumes", entry, _volume, Volume)


def root_disk(parts: list[str]) -> dict[str, Any] | None:
    """Read how a root disk is mounted, `acl=1` and so on."""
    told = _options(parts, _MOUNT)
    return told if told is not None and fits(RootDisk, told) else None


def firewall(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read a switch, or the rules alone."""
    value = entry["firewall"]
    if isinstance(value, bool):
        return {"firewall": {"enabled": value}}
    if isinstance(value, dict) and isinstance(value.get("rules"), dict):
        rules = listed(value["rules"], FirewallRule) or [value["rules"]]
        return {"firewall": value | {"rules": rules}}
    if isinstance(value, dict) and isinstance(value.get("rules"), list):
        written = value | {"rules": [_of_group(rule) for rule in value["rules"]]}
        return {"firewall": written} if written != value and fits(Firewall, written) else None
    alone = isinstance(value, list) and value and all(isinstance(one, dict) for one in value)
    return {"firewall": {"enabled": True, "rules": value}} if alone else None


def _of_group(rule: Any) -> Any:
    """Name a security group as we do: in Proxmox it is the action of a rule of that type."""
    if not isinstance(rule, dict) or rule.get("type") != "group":
        return rule
    return {"group": rule.get("action"), **{key: one for key, one in rule.items() if key not in {"type", "action"}}}


def health_check(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the command alone: a line, or its words."""
    value = entry["health_check"]
    if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
        value = shlex.join(value)
    return {"health_check": {"command": value}} if isinstance(value, str) and value.strip() else None


def tags(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read Proxmox's `one;another`."""
    value = entry["tags"]
    words = [word for word in re.split(r"[;,\s]+", value) if word] if isinstance(value, str) else []
    return {"tags": words} if words else None


def _each(
    key: str, entry: Mapping[str, Any], read: Callable[[Any], dict[str, Any] | None], model: type[Section]
) -> dict[str, Any] | None:
    value = entry[key]
    given = value if isinstance(value, list) else _by_number(value, model)
    items = [one if isinstance(one, dict) else read(one) for one in given]
    whole = [one for one in items if one is not None and fits(model, one)]
    return {key: whole} if whole and len(whole) == len(items) and whole != value else None


def listed(value: Any, model: type[Section]) -> list[Any] | None:
    """List objects that stand under names of their own; the names are kept where such an object has one."""
    named = isinstance(value, dict) and value and all(isinstance(one, dict) for one in value.values())
    if not named or value.keys() & model.model_fields.keys():
        return None
    own = "name" in model.model_fields
    return [({"name": name} if own and not _NUMBERED.fullmatch(name) else {}) | one for name, one in value.items()]


_NUMBERED = re.compile(r"(net|mp|dev)[0-9]{1,3}")


def _by_number(value: Any, model: type[Section]) -> list[Any]:
    """List what stands under `net1`, `net2` and so on, as Proxmox and Ansible have it; or the one that it is."""
    if isinstance(value, dict) and value and all(str(key).startswith("/") for key in value):
        return [f"{place}:{there}" for place, there in value.items()]
    if isinstance(value, str) and re.fullmatch(r"(/[^:,]+:/[^:,]+(:r[ow])?(,|$)){2,}", value):
        return value.split(",")
    keyed = isinstance(value, dict) and value and all(map(_NUMBERED.fullmatch, value))
    if not keyed:
        return listed(value, model) or [value]
    return [value[key] for key in sorted(value, key=lambda key: (len(key), key))]


def interface(value: Any) -> dict[str, Any] | None:
    """Read one interface, as Proxmox writes it or by its bridge alone."""
    if not isinstance(value, str):
        return None
    bridge = re.fullmatch(r"[A-Za-z][\w.-]*", value)
    return {"bridge": value} if bridge else _options(value.split(","), _INTERFACE)


def _bind(value: Any) -> dict[str, Any] | None:
    if isinstance(value, list) and len(value) == len(("host", "container")):
        value = ":".join(map(str, value))
    if isinstance(value, str):
        value = re.sub(r"(?<=:)(r[ow]),[zZ]$|:[zZ](?=,|$)", r"\1", value)  # SELinux labels of Compose
    first, *rest = value.removeprefix("volume=").split(",") if isinstance(value, str) else [""]
    parts = first.split(":")
    if rest:
        told = _options([one for one in rest if not one.startswith("mp=")], _MOUNT)
        paths = [first, *_places(rest)]
    else:
        *paths, how = parts if parts[-1] in {"ro", "rw"} else [*parts, "rw"]
        told = {"read_only": True} if how == "ro" else {}
    if told is None or len(paths) != len(("host", "container")):
        return None
    return {"host_path": paths[0], "container_path": paths[1]} | told


def _places(parts: list[str]) -> list[str]:
    return [rooted(part.removeprefix("mp=")) for part in parts if part.startswith("mp=")]


def _volume(value: Any) -> dict[str, Any] | None:
    found = re.fullmatch(r"([A-Za-z][\w.-]*):([0-9]{1,7}),(.+)", value) if isinstance(value, str) else None
    rest = found[3].split(",") if found else []
    where = _places(rest)
    told = _options([one for one in rest if not one.startswith("mp=")], _MOUNT)
    if found is None or told is None or len(where) != 1:
        return None
    return {"pool": found[1], "size_gb": int(found[2]), "mount_point": where[0]} | told


def _options(pairs: list[str], names: Mapping[str, str]) -> dict[str, Any] | None:
    """Read `name=value` with our names and types; None if one of them is not known."""
    told: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.strip().partition("=")
        if not equals or name not in {*names, *_WITHOUT_EFFECT}:
            return None
        value = _value(name, text)
        if value is None:
            return None
        if name in names:
            told[names[name]] = value
    return told


def _value(name: str, text: str) -> Any:
    if name in _FLAGS:
        return {"1": True, "0": False}.get(text)
    if name in _LISTS:
        return [int(word) if _WHOLE.fullmatch(word) else word for word in text.split(";")]
    if name in _NUMBERS:
        return int(text) if _WHOLE.fullmatch(text) else _decimal(text)
    return text or None


def _decimal(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]{1,9}\.[0-9]{1,6}", text) else None


def rooted(path: str) -> str:
    """Begin a place in the container with a slash, as Proxmox does (`sanitize_mountpoint` of pve-container)."""
    return f"/{path.lstrip('/')}"


def fits(model: type[Section], value: Mapping[str, Any]) -> bool:
    """Return whether a section may be so."""
    try:
        model.model_validate(value)
    except ValidationError:
        return False
    return True
