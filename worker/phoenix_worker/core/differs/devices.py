"""Devices of the node in a container, `dev0` and so on: known by their path, not by their number.

Of those that are not declared only GPUs are taken away, where the catalog says which of them there are.
"""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING

from phoenix_worker.catalog.host_parts import GPU_CONTROL_DEVICES
from phoenix_worker.core.model import property_string

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenix_worker.catalog.declaration import Declaration

_GPU = re.compile(r"/dev/nvidia\d+")
_KEY = re.compile(r"dev\d+")
_DEFAULTS = {"uid": "0", "gid": "0", "deny-write": "0"}
"""What is so where a device does not say it (`$dev_desc` in pve-container)."""


def unwanted(declaration: Declaration, config: Mapping[str, str]) -> tuple[str, ...]:
    """Name the keys of GPUs that are there and are not declared."""
    if declaration.devices is None:
        return ()
    wanted = {*declaration.devices, *(node.path for node in declaration.device_nodes)}
    there = ((key, parts.get("path", "")) for key, parts in _there(config).items())
    ours = ((key, path) for key, path in there if _GPU.fullmatch(path) or path in GPU_CONTROL_DEVICES)
    return tuple(key for key, path in ours if path not in wanted)


def changed(declaration: Declaration, config: Mapping[str, str]) -> dict[str, str]:
    """Return the configuration of each declared device that is not there, or is there in another way."""
    there = {parts.get("path", ""): (key, parts) for key, parts in _there(config).items()}
    free = (key for key in map("dev{}".format, count()) if key not in config)
    wanted = dict.fromkeys(declaration.devices or (), ()) | {
        node.path: node.options for node in declaration.device_nodes
    }
    put = {}
    for path, options in wanted.items():
        key, parts = there.get(path, ("", {}))
        if not key:
            put[next(free)] = _rendered(path, dict(options))
        elif any(parts.get(name, _DEFAULTS.get(name)) != value for name, value in options):
            put[key] = _rendered(path, parts | dict(options))
    return put


def _there(config: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {key: property_string.parse(config[key], "path") for key in config if _KEY.fullmatch(key)}


def _rendered(path: str, parts: Mapping[str, str]) -> str:
    """Write a device as Proxmox does: its path, then the rest by name."""
    rest = property_string.render({name: value for name, value in parts.items() if name != "path"}, "")
    return f"{path},{rest}" if rest else path
