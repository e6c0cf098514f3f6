"""Single values of Proxmox and of other tools, where they are keys of ours by other names: how they are written here.

Each function reads one value and returns what to write: under `""` what is for the one key that is meant, and nothing
where nothing is to be written; None for what it cannot read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from phoenix_worker.catalog import proxmox_forms
from phoenix_worker.catalog.access_sections import is_public_key
from phoenix_worker.catalog.mount_blocks import spelled

Read = Callable[[Any], dict[str, Any] | None]
_FLAGS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def same(value: Any) -> dict[str, Any] | None:
    """Read a text that is written as it is."""
    return {"": value} if isinstance(value, str) else None


def number(value: Any) -> dict[str, Any] | None:
    """Read a whole number, in quotes too."""
    text = str(value)
    return {"": int(text)} if re.fullmatch(r"[0-9]{1,9}", text) and not isinstance(value, bool) else None


def decimal(value: Any) -> dict[str, Any] | None:
    """Read a number, in quotes too."""
    text = str(value)
    whole = number(value)
    return {"": float(text)} if whole is None and re.fullmatch(r"[0-9]{1,4}\.[0-9]{1,6}", text) else whole


def gib(value: Any) -> dict[str, Any] | None:
    """Read a size in GiB, `8` or `8G`; of a storage too, `STORE:8`, with how it is mounted behind it."""
    return (
        rootfs(value) if isinstance(value, str) and ":" in value else number(re.sub(r"(?<=\d)G(i?B)?$", "", f"{value}"))
    )


def flag(value: Any) -> dict[str, Any] | None:
    """Read whether something is so."""
    read = _FLAGS.get(str(value).lower())
    return None if read is None else {"": read}


def opposite(value: Any) -> dict[str, Any] | None:
    """Read whether the opposite is so."""
    read = flag(value)
    return None if read is None else {"": not read[""]}


def chosen(on: Any, off: Any) -> Read:
    """Read whether something is so, for a key that names both."""
    return lambda value: None if (read := flag(value)) is None else {"": on if read[""] else off}


def texts(value: Any) -> dict[str, Any] | None:
    """Read a list, or one item alone."""
    return {"": value if isinstance(value, list) else [value]} if isinstance(value, str | list) else None


def words(value: Any) -> dict[str, Any] | None:
    """Read several words in one string, with semicolons, commas or blanks between them."""
    return {"": [word for word in re.split(r"[;,\s]+", value) if word]} if isinstance(value, str) else None


def keys(value: Any) -> dict[str, Any] | None:
    """Read public keys, one a line or in a list."""
    lines = "\n".join(map(str, value)) if isinstance(value, list) else value
    told = [" ".join(line.split()) for line in lines.splitlines()] if isinstance(lines, str) else []
    return {"": [line for line in told if line]} if told and all(map(is_public_key, filter(None, told))) else None


def environment(value: Any) -> dict[str, Any] | None:
    """Read variables, as `NAME=value` or by their names."""
    pairs = re.split(r"[\0\n]+", value) if isinstance(value, str) else value
    if isinstance(pairs, dict):
        pairs = [f"{name}={one}" for name, one in pairs.items()]
    if not isinstance(pairs, list) or not all(isinstance(pair, str) and re.match(r"\w+=", pair) for pair in pairs):
        return None
    return {"": dict(pair.split("=", 1) for pair in pairs)}


def startup(value: Any) -> dict[str, Any] | None:
    """Read `order=1,up=30,down=60`, such parts in a list, or an object of them."""
    names = {"order": "boot_order", "up": "boot_delay", "down": "boot_down_delay"}
    if isinstance(value, dict):
        said = {spelled(str(name)): one for name, one in value.items() if one is not None}
        value = [f"{name.removesuffix('_delay')}={one}" for name, one in said.items()]
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    pairs = [re.fullmatch(r"(?:(order|up|down)=)?([0-9]{1,9})", pair.strip()) for pair in text.split(",")]
    return {names[pair[1] or "order"]: int(pair[2]) for pair in pairs if pair} if all(pairs) else None


def os_type(value: Any) -> dict[str, Any] | None:
    """Read an OS type; `auto` is what Proxmox does anyhow."""
    return {} if value == "auto" else same(value)


def raw_lines(value: Any) -> dict[str, Any] | None:
    """Read the raw lines of a configuration, each a pair, as the API gives them."""
    pairs = isinstance(value, list) and all(isinstance(one, list) and len(one) == len("kv") for one in value)
    return {"": [f"{key}={one}" for key, one in value]} if pairs else None


def rootfs(value: Any) -> dict[str, Any] | None:
    """Read `STORE:8`, `STORE:VOLUME,size=8G`, or an object with a storage and a size, each with how it is mounted."""
    if (alone := number(value)) is not None:
        return {"storage_size_gb": alone[""]}
    if isinstance(value, dict):
        more = (f"{name}={_part(one)}" for name, one in value.items() if name not in {"storage", "size", "volume"})
        value = ",".join((f"{value.get('storage')}:x,size={value.get('size')}", *more))
    volume, *parts = value.split(",") if isinstance(value, str) else [""]
    sizes = [part.removeprefix("size=") for part in parts if part.startswith("size=")]
    found = re.fullmatch(r"(?:volume=)?([A-Za-z][\w.-]*[A-Za-z0-9]):(.+)", volume)
    size = re.fullmatch(r"([1-9][0-9]{0,6})G?", (sizes or [found[2]])[0]) if found else None
    how = proxmox_forms.root_disk([part for part in parts if not part.startswith("size=")])
    if found is None or size is None or how is None:
        return None
    return {"storage_pool": found[1], "storage_size_gb": int(size[1])} | ({"root_disk": how} if how else {})


def _part(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def memory(value: Any) -> dict[str, Any] | None:
    """Read MiB, or an object of Terraform's."""
    (block,) = value if isinstance(value, list) and len(value) == 1 else (value,)
    if not isinstance(block, dict):
        return number(value)
    names = {"dedicated": "memory_mb", "swap": "swap_mb"}
    read = [(names.get(str(name)), number(one)) for name, one in block.items() if one is not None]
    told = {name: one[""] for name, one in read if name is not None and one is not None}
    return told if len(told) == len(read) else None


ROOT = ("storage_pool", "storage_size_gb", "root_disk")
OF_PROXMOX: Mapping[str, tuple[tuple[str, ...], Read]] = {
    "memory": (("memory_mb",), memory),
    "swap": (("swap_mb",), number),
    "hostname": (("name",), same),
    "onboot": (("start_at_boot",), flag),
    "startup": (("boot_order", "boot_delay", "boot_down_delay"), startup),
    "searchdomain": (("search_domain",), same),
    "cpulimit": (("cpu_limit",), decimal),
    "cpuunits": (("cpu_units",), number),
    "ostype": (("os_type",), os_type),
    "lxc": (("lxc_options",), raw_lines),
    "ssh_public_keys": (("ssh_public_keys",), keys),
    "ostemplate": (("template",), same),
    "rootfs": (ROOT, rootfs),
    "storage": (("storage_pool",), same),
    "start": (("state",), chosen("running", "stopped")),
    "ha_managed": (("ha",), flag),
}
"""Options of Proxmox that are keys of ours by other names, and how their values are written then."""
_OF_HELPER_SCRIPTS: Mapping[str, tuple[str, Read]] = {
    "container_storage": ("storage_pool", same),
    "cpu": ("cores", number),
    "disk": ("storage_size_gb", gib),
    "hostname": ("name", same),
    "mac": ("mac_address", same),
    "protection": ("protection", flag),
    "ram": ("memory_mb", number),
    "searchdomain": ("search_domain", texts),
    "ssh_authorized_key": ("ssh_public_keys", keys),
    "tags": ("tags", words),
    "timezone": ("timezone", same),
    "unprivileged": ("unprivileged", flag),
}
"""Settings of the community's helper scripts, whose names begin with `var_`."""
OF_OTHER_TOOLS: Mapping[str, tuple[str, Read]] = {
    **dict.fromkeys(("start_on_boot", "on_boot", "autostart", "auto_start"), ("start_at_boot", flag)),
    **dict.fromkeys(("cpus", "cpu_cores", "vcpu", "vcpus", "num_cores"), ("cores", number)),
    **dict.fromkeys(("ram", "ram_mb", "ram_size", "memory_size"), ("memory_mb", number)),
    **dict.fromkeys(("swap_size", "swap_memory"), ("swap_mb", number)),
    **dict.fromkeys(("disk_size", "disk_size_gb", "disk_gb", "rootfs_size"), ("storage_size_gb", gib)),
    **dict.fromkeys(("datastore_id", "rootfs_storage", "clone_storage"), ("storage_pool", same)),
    **dict.fromkeys(("target_node", "node_name"), ("node", same)),
    **dict.fromkeys(("pool_id", "resource_pool"), ("pool", same)),
    **dict.fromkeys(("hook_script", "hook_script_file_id"), ("hookscript", same)),
    **dict.fromkeys(("template_file_id", "os_template"), ("template", same)),
    **dict.fromkeys(
        ("pubkey", "ssh_key", "ssh_keys", "sshkey", "sshkeys", "ssh_public_key", "public_keys", "authorized_keys"),
        ("ssh_public_keys", keys),
    ),
    **dict.fromkeys(("tz", "time_zone"), ("timezone", same)),
    **dict.fromkeys(("search_domains", "dns_domain", "dns_search"), ("search_domain", texts)),
    **dict.fromkeys(("startup_order", "start_order"), ("boot_order", number)),
    **dict.fromkeys(("up_delay", "startup_delay"), ("boot_delay", number)),
    **dict.fromkeys(("down_delay", "shutdown_timeout"), ("boot_down_delay", number)),
    **dict.fromkeys(("hwaddr", "macaddr", "mac"), ("mac_address", same)),
    **dict.fromkeys(("full", "full_clone"), ("clone", chosen("full", "linked"))),
    **{f"var_{name}": (ours, read) for name, (ours, read) in _OF_HELPER_SCRIPTS.items()},
    "architecture": ("arch", same),
    "host_name": ("name", same),
    "clone_type": ("clone", same),
    "console_mode": ("cmode", same),
    "cpu_shares": ("cpu_units", number),
    "depends_on": ("dependencies", texts),
    "privileged": ("unprivileged", opposite),
    "started": ("state", chosen("running", "stopped")),
    "tty_count": ("tty", number),
}
"""Keys of other tools that are one key of ours each."""
