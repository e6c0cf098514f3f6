"""Values as older catalogs have them: what to write in their place, so that it loads as it is told."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from phoenix_worker.catalog import proxmox_forms
from phoenix_worker.catalog.device_sections import Device
from phoenix_worker.catalog.mount_blocks import block, renamed
from phoenix_worker.catalog.network_sections import NetworkConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

SWITCHES = ("nesting", "keyctl", "fuse", "mknod", "force_rw_sys")
_PCT_OPTION = re.compile(rf"({'|'.join(SWITCHES)})=[01]|mount=[\w; ]+", re.ASCII)
_SCRIPT = re.compile(r"[\w+-][\w.+-]*", re.ASCII)
_BRIDGE = "vmbr0"
_LONGEST = 1500
_UNPRIVILEGED, _IDS = 100_000, 65_536
"""Where Proxmox maps the ids of an unprivileged container to, and how many of them there are."""


def remedy(location: tuple[int | str, ...], entry: Mapping[str, Any]) -> str | None:
    """Say what to write in the place of a value that was read by an older tool; None where it is none of those."""
    key = str(location[0])
    known = _KNOWN.get(key)
    written = None if known is None else known(entry)
    if not written:
        return None
    pairs = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in written.items())
    if len(pairs) > _LONGEST:
        return None
    return f"Write {pairs}{'' if key in written else f', and remove {key}'}."


def _features(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Take Proxmox's features out of the list of scripts, where both were one string once."""
    words = [word for item in _words(_listed(entry["features"])) for word in _words(item)]
    options = [word for word in words if _PCT_OPTION.fullmatch(word)]
    scripts = [word for word in words if word not in options]
    if not words or not all(map(_SCRIPT.fullmatch, scripts)):
        return None
    before = [word for word in _words(entry.get("pct_options")) if _PCT_OPTION.fullmatch(word)]
    merged = {"pct_options": list(dict.fromkeys(before + options))} if options else {}
    return merged | ({"features": scripts} if scripts else {})


def _pct_options(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    value = entry["pct_options"]
    words = [_switch(word) for item in (value if isinstance(value, list) else [value]) for word in _options_in(item)]
    return {"pct_options": words} if words and all(map(_PCT_OPTION.fullmatch, words)) else None


def _options_in(item: Any) -> list[str]:
    """Read one option, or several as one string or object; the types behind `mount=` may have commas between them."""
    if isinstance(item, str):
        item = re.sub(r"(?<=mount=)[\w;,]+?(?=$|,\s*\w+=)", lambda found: found[0].replace(",", ";"), item)
    return [item] if isinstance(item, str) and _PCT_OPTION.fullmatch(item) else _words(_listed(item))


def _switch(word: str) -> str:
    name, _, value = word.partition("=")
    flags = {"": "1", "true": "1", "yes": "1", "on": "1", "false": "0", "no": "0", "off": "0"}
    read = f"{name.lower()}={flags.get(value.lower(), value)}"
    return read if name.lower() in SWITCHES else word


def _listed(value: Any) -> Any:
    """Write an object of switches, `{"nesting": true}`, as a list."""
    switches = block(value)
    if switches is None:
        return value
    return [f"{name}={_one(one)}" for name, one in switches.items() if one not in (None, [])]


def _one(value: Any) -> str:
    return (
        ";".join(map(str, value)) if isinstance(value, list) else str(int(value) if isinstance(value, bool) else value)
    )


def _words(value: Any) -> list[str]:
    """Read a list of strings, or one string with commas or blanks."""
    if isinstance(value, str):
        return [word for word in re.split(r"[,\s]+", value) if word]
    return value if isinstance(value, list) and all(isinstance(word, str) for word in value) else []


def _network(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read `ip,gateway,name server…`."""
    value = entry["network_config"]
    if not isinstance(value, str):
        return None
    address, *rest = [part.strip() for part in value.split(",")]
    parts = {"bridge": _BRIDGE, "ip": address, "gw": "".join(rest[:1]), "nameservers": rest[1:]}
    told = {name: part for name, part in parts.items() if part}
    try:
        NetworkConfig.model_validate(told)
    except ValidationError:
        return None
    return {"network_config": told}


def _clone(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read Terraform's block: from what, how, and where to."""
    names = {"vm_id": "clone_from_ctid", "full": "clone", "datastore_id": "storage_pool"}
    told = renamed(entry["clone"], names, without=("node_name",))
    if told is not None and "clone" in told:
        told["clone"] = "full" if told["clone"] else "linked"
    there = ("clone_from_ctid", "storage_pool")
    return told and {name: one for name, one in told.items() if name not in there or entry.get(name) in (None, "")}


def _console(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read Terraform's block."""
    return renamed(entry["console"], {"enabled": "console", "tty_count": "tty", "type": "cmode"})


def id_maps(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Write objects, `{"type": "gid", "host_id": 33, "container_id": 33, "size": 1}`, with all ids around them."""
    value = entry["id_maps"]
    maps = [_id_map(one) for one in (value if isinstance(value, list) else [value])]
    own = [one for one in maps if one is not None]
    if not own or len(own) < len(maps):
        return None
    lines: list[str] = []
    for kind in "ug":
        holes = sorted(one[1:] for one in own if one[0] == kind)
        if any(first + size > following for (first, _, size), (following, *_) in pairwise(holes)):
            return None
        lines += (f"{kind} {first} {node} {size}" for first, node, size in _around(holes))
    return {"id_maps": lines}


def _id_map(value: Any) -> tuple[str, int, int, int] | None:
    """Read kind, first id inside, first id on the node and how many."""
    if not isinstance(value, dict):
        return None
    kind = {"uid": "u", "u": "u", "gid": "g", "g": "g"}.get(str(value.get("type")))
    inside, node, size = value.get("container_id"), value.get("host_id"), value.get("size", 1)
    if kind is None or not (isinstance(inside, int) and isinstance(node, int) and isinstance(size, int)):
        return None
    return (kind, inside, node, size) if min(inside, node) >= 0 and 0 < size <= _IDS - inside else None


def _around(holes: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    at = 0
    for first, node, size in holes:
        if at < first:
            yield at, _UNPRIVILEGED + at, first - at
        yield first, node, size
        at = first + size
    if at < _IDS:
        yield at, _UNPRIVILEGED + at, _IDS - at


def _gpus(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    value = entry["gpu_assignment"]
    words = (
        []
        if isinstance(value, bool)
        else value
        if isinstance(value, list)
        else re.split(r"[\s,;+]+", str(value).strip())
    )
    words = [word for word in words if word != ""]
    if [str(word).lower() for word in words] in (["none"], ["-1"], ["false"]):
        return {"gpu_assignment": "none"}
    found = [re.fullmatch(r"(?:gpu|nvidia|/dev/nvidia)?([0-9]{1,2})", str(word), re.IGNORECASE) for word in words]
    return {"gpu_assignment": ",".join(one[1] for one in found if one)} if found and all(found) else None


def devices(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Write paths, or Proxmox's `PATH,gid=44,mode=0660`, as objects, with numbers and modes as they are read here."""
    value = entry["devices"]
    written = [value] if isinstance(value, str) else proxmox_forms.listed(value, Device) or value
    if not isinstance(written, list) or not all(isinstance(one, dict | str) for one in written):
        return None
    read = [_device(one) if isinstance(one, str) else _spelled(one) for one in written]
    return {"devices": read} if read != value and all(proxmox_forms.fits(Device, one) for one in read) else None


def _spelled(device: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {
        name: int(device[name]) for name in ("uid", "gid") if re.fullmatch(r"[0-9]{1,10}", str(device.get(name, "")))
    }
    mode = re.fullmatch(r"(?:0o|0{0,2})([0-7]{3})", str(device.get("mode", "")))
    return {**device, **numbers, **({"mode": f"0{mode[1]}"} if mode else {})}


def _device(text: str) -> dict[str, Any]:
    path, *options = text.removeprefix("path=").split(",")
    path = re.sub(r"^([^:]+):\1(:[rwm]+)?$", r"\1", path)  # as Compose has it
    found = [re.fullmatch(r"(uid|gid|mode|deny-write)=([0-9]{1,10})", option) for option in options]
    pairs = {one[1]: one[2] for one in found if one}
    numbers = {name: int(pairs[name]) for name in ("uid", "gid") if name in pairs}
    mode = {"mode": pairs["mode"]} if "mode" in pairs else {}
    return {"path": path, **numbers, **mode, **({"deny_write": True} if pairs.get("deny-write") == "1" else {})}


_KNOWN: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any] | None]] = {
    "clone": _clone,
    "console": _console,
    "features": _features,
    "pct_options": _pct_options,
    "network_config": lambda entry: _network(entry) or proxmox_forms.network_config(entry),
    "id_maps": id_maps,
    "gpu_assignment": _gpus,
    "devices": devices,
    "networks": proxmox_forms.networks,
    "mount_points": proxmox_forms.mount_points,
    "volumes": proxmox_forms.volumes,
    "zfs_volumes": proxmox_forms.zfs_volumes,
    "firewall": proxmox_forms.firewall,
    "health_check": proxmox_forms.health_check,
    "tags": proxmox_forms.tags,
}
