"""Mounts as Terraform and Ansible write them, and what reading blocks of theirs takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog import proxmox_forms
from phoenix_worker.catalog.mount_sections import MountPoint, Volume

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIONS = {
    **{name: name for name in ("read_only", "backup", "acl", "quota", "replicate", "shared", "mount_options")},
    **dict.fromkeys(("ro", "readonly"), "read_only"),
    "mountoptions": "mount_options",
}
_PLACES = ("path", "mp", "mountpoint", "mount_point", "target", "container_path", "destination")
_WHAT = ("volume", "storage", "datastore_id", "pool", "host_path", "source", "src")
_WITHOUT_EFFECT = ("id", "key", "slot", "type")
_SIZE = re.compile(r"([1-9][0-9]{0,6})(G|M|T|K)?", re.ASCII)


def spelled(key: str) -> str:
    """Spell a key as ours are: `mountPoint` and `mount-point` are `mount_point`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[-. ]+", "_", key).strip("_").lower()


def block(value: Any) -> dict[str, Any] | None:
    """Read one block, or a list of one, with its keys in our spelling."""
    (one,) = value if isinstance(value, list) and len(value) == 1 else (value,)
    return {spelled(str(name)): part for name, part in one.items()} if isinstance(one, dict) else None


def blocks(value: Any) -> list[dict[str, Any]]:
    """Read blocks, in a list or one alone; nothing when it has anything else."""
    found = [block(one) for one in (value if isinstance(value, list) else [value])]
    return [one for one in found if one is not None] if None not in found else []


def renamed(value: Any, names: Mapping[str, str], without: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """Give the parts of a block our names; None if there are others than these and those that are left out."""
    found = block(value)
    told = {name: one for name, one in (found or {}).items() if name not in without and one not in (None, "")}
    if not told or told.keys() - names.keys():
        return None
    return {names[name]: one for name, one in told.items()}


def flags(options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read how something is mounted: `"1"` and `1` are true."""
    switches = {"1": True, "true": True, "0": False, "false": False}
    told = {
        name: one if name == "mount_options" and isinstance(one, list) else switches.get(str(one).lower())
        for name, one in options.items()
    }
    if isinstance(options.get("mount_options"), str):
        told["mount_options"] = re.split(r"[;,\s]+", options["mount_options"])
    return told if None not in told.values() else None


def mounts(value: Any, _: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read bind mounts and volumes, in any of their forms."""
    keyed = isinstance(value, dict) and value and all(re.fullmatch(r"mp[0-9]{1,3}", name) for name in value)
    listed = [value[name] for name in sorted(value, key=lambda name: (len(name), name))] if keyed else value
    told = [_mount(one) for one in (listed if isinstance(listed, list) else [listed])]
    if not told or None in told:
        return None
    found = {key: [one for one in told if one and place in one] for key, place in _KINDS.items()}
    return {key: these for key, these in found.items() if these}


_KINDS = {"mount_points": "host_path", "volumes": "pool"}


def _mount(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        for key, read in (("volumes", proxmox_forms.volumes), ("mount_points", proxmox_forms.mount_points)):
            if found := read({key: value}):
                one: dict[str, Any] = found[key][0]
                return one
        return None
    parts = block(value) or {}
    parts |= block(parts.pop("options", None)) or {}
    names = {**dict.fromkeys(_PLACES, "place"), **dict.fromkeys(_WHAT, "what"), "size": "size", **OPTIONS}
    told = renamed(parts, names, without=_WITHOUT_EFFECT)
    how = told and flags({name: one for name, one in told.items() if name not in {"place", "what", "size"}})
    if told is None or how is None or not {"place", "what"} <= told.keys():
        return None
    return _of_node(told, how) if str(told["what"]).startswith("/") else _of_storage(told, how)


def _of_node(told: Mapping[str, Any], how: Mapping[str, Any]) -> dict[str, Any] | None:
    one = {"host_path": told["what"], "container_path": proxmox_forms.rooted(str(told["place"])), **how}
    return one if proxmox_forms.fits(MountPoint, one) else None


def _of_storage(told: Mapping[str, Any], how: Mapping[str, Any]) -> dict[str, Any] | None:
    storage, _, ordered = str(told["what"]).partition(":")
    size = _SIZE.fullmatch(ordered or str(told.get("size", "")))
    if size is None:
        return None
    sized = {"size_gb": int(size[1])} if size[2] in (None, "G") else {"size": size[0]}
    one = {"pool": storage, **sized, "mount_point": proxmox_forms.rooted(str(told["place"])), **how}
    return one if proxmox_forms.fits(Volume, one) else None
