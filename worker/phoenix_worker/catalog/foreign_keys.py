"""Keys of an entry that are none of ours: names of Proxmox's options, old names of ours, and data for scripts."""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog import old_forms, other_tools, proxmox_forms, second_interface
from phoenix_worker.catalog.access_sections import is_public_key
from phoenix_worker.catalog.entry import DATA_KEYS, OLD_KEYS, Entry
from phoenix_worker.catalog.findings import Advice, Refusal, plain, shown
from phoenix_worker.catalog.options import ENVIRONMENT, of_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from phoenix_worker.catalog.entry import ParsedEntry

    Entries = Mapping[int, ParsedEntry]


def _same(value: Any) -> dict[str, Any] | None:
    return {"": value} if isinstance(value, str) else None


def _number(value: Any) -> dict[str, Any] | None:
    text = str(value)
    return {"": int(text)} if re.fullmatch(r"[0-9]{1,9}", text) and not isinstance(value, bool) else None


def _decimal(value: Any) -> dict[str, Any] | None:
    text = str(value)
    whole = _number(value)
    return {"": float(text)} if whole is None and re.fullmatch(r"[0-9]{1,4}\.[0-9]{1,6}", text) else whole


def _flag(value: Any) -> dict[str, Any] | None:
    flags = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    read = flags.get(str(value).lower())
    return None if read is None else {"": read}


def _keys(value: Any) -> dict[str, Any] | None:
    lines = [" ".join(line.split()) for line in value.splitlines()] if isinstance(value, str) else []
    return {"": [line for line in lines if line]} if lines and all(map(is_public_key, filter(None, lines))) else None


def _environment(value: Any) -> dict[str, Any] | None:
    pairs = re.split(r"[\0\n]+", value) if isinstance(value, str) else value
    if isinstance(pairs, dict):
        pairs = [f"{name}={one}" for name, one in pairs.items()]
    if not isinstance(pairs, list) or not all(isinstance(pair, str) and re.match(r"\w+=", pair) for pair in pairs):
        return None
    return {"": dict(pair.split("=", 1) for pair in pairs)}


def _power(value: Any) -> dict[str, Any] | None:
    read = _flag(value)
    return None if read is None else {"": "running" if read[""] else "stopped"}


def _startup(value: Any) -> dict[str, Any] | None:
    names = {"order": "boot_order", "up": "boot_delay", "down": "boot_down_delay"}
    if isinstance(value, dict):
        value = ",".join(f"{str(name).removesuffix('_delay')}={one}" for name, one in value.items())
    pairs = [re.fullmatch(r"(?:(order|up|down)=)?([0-9]{1,9})", pair.strip()) for pair in str(value).split(",")]
    return {names[pair[1] or "order"]: int(pair[2]) for pair in pairs if pair} if all(pairs) else None


def _rootfs(value: Any) -> dict[str, Any] | None:
    """Read `STORE:8`, `STORE:VOLUME,size=8G`, or an object with a storage and a size, each with how it is mounted."""
    if isinstance(value, dict):
        more = (f"{name}={_part(one)}" for name, one in value.items() if name not in {"storage", "size"})
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


_RENAMED: Mapping[str, tuple[tuple[str, ...], Callable[[Any], dict[str, Any] | None]]] = {
    "memory": (("memory_mb",), _number),
    "swap": (("swap_mb",), _number),
    "hostname": (("name",), _same),
    "onboot": (("start_at_boot",), _flag),
    "startup": (("boot_order", "boot_delay", "boot_down_delay"), _startup),
    "searchdomain": (("search_domain",), _same),
    "cpulimit": (("cpu_limit",), _decimal),
    "cpuunits": (("cpu_units",), _number),
    "ostype": (("os_type",), _same),
    "ssh_public_keys": (("ssh_public_keys",), _keys),
    "ostemplate": (("template",), _same),
    "rootfs": (("storage_pool", "storage_size_gb", "root_disk"), _rootfs),
    "storage": (("storage_pool",), _same),
    "start": (("state",), _power),
    "ha_managed": (("ha",), _flag),
}
"""Options of Proxmox that are keys of ours by other names, and how their values are written then."""

_OF_IMAGES: Mapping[str, tuple[tuple[str, ...], Callable[[Any], dict[str, Any] | None]]] = {
    "env": ((ENVIRONMENT,), _environment)
}
"""As `_RENAMED`, of containers that begin with an image."""
_ELSEWHERE = {
    "nameserver": "Write nameservers in network_config, and remove it.",
    "net0": "Write network_config, and remove it.",
    "lxc": "Write its lines in lxc_options, and remove it.",
    **dict.fromkeys(("lock", "parent", "snaptime", "digest", "vmid"), "Remove it: Proxmox decides it."),
    **dict.fromkeys(("force", "restore", "unique"), "Remove it: nothing is overwritten, and no backup restored."),
    **dict.fromkeys(("bwlimit", "ignore_unpack_errors"), "Remove it: it is for one order, and nothing of it is kept."),
}
_ON_NODE = ("debug", "env")
_OURS = frozenset({*Entry.model_fields, *OLD_KEYS, second_interface.KEY})
_LIKENESS = 0.81  # lets `dependency` find `dependencies`, and not `stage` find `state`
_NUMBERED = {
    "net": "Write it in networks, and remove it.",
    "mp": "Write it in volumes or in mount_points, and remove it.",
    "dev": "Write it in devices, or a GPU in gpu_assignment, and remove it.",
    "unused": "Remove it: Proxmox decides it.",
}


def refuse_foreign_keys(entries: Entries) -> Iterator[Refusal]:
    """Refuse names of Proxmox's and of older formats without effect. Values are not quoted: one may be a password."""
    for ctid, parsed in entries.items():
        if parsed.declares(second_interface.KEY):
            problem = f"{second_interface.KEY} belongs to an older format."
            by_hand = "Write it as an item of networks, and remove it."
            migrate = "Run: phoenix-lxc migrate FILE --write."
            yield Refusal(ctid, problem, migrate if second_interface.can_move(parsed.raw) else by_hand)
        for key in parsed.raw:
            if is_proxmox_own(key) and parsed.declares(key):
                problem = f"{plain(key)} is a name of Proxmox's own and would have no effect."
                yield Refusal(ctid, problem, _remedy(ctid, key, parsed, image=of_image(entries, ctid)))


def advise_foreign_keys(entries: Entries) -> Iterator[Advice]:
    """Warn of keys that are nearly known."""
    for ctid, parsed in entries.items():
        for key in parsed.raw:
            likely = _likely(key) if _is_unknown(key) and parsed.declares(key) else None
            if likely is not None:
                yield Advice(ctid, f"{shown(key)} has no effect.", f"{likely} was probably meant.")


def _likely(key: str) -> str | None:
    close = difflib.get_close_matches(key, (*_OURS, *DATA_KEYS), 1, _LIKENESS)
    return other_tools.meant(key) or next(iter(close), None)


def _is_unknown(key: str) -> bool:
    return key not in _OURS | DATA_KEYS.keys() and not is_proxmox_own(key)


def for_scripts(entries: Entries) -> dict[str, tuple[int, ...]]:
    """List the keys that are only handed to scripts, each with the CTIDs that have it."""
    found: dict[str, tuple[int, ...]] = {}
    for ctid, parsed in sorted(entries.items()):
        for key in parsed.raw.keys() - (_OURS if of_image(entries, ctid) else _OURS - {ENVIRONMENT}):
            if parsed.declares(key) and not is_proxmox_own(key):
                found[key] = (*found.get(key, ()), ctid)
    return dict(sorted(found.items()))


def is_proxmox_own(key: str) -> bool:
    """Return whether a key is the name of an option of Proxmox, or of a parameter with which it makes containers."""
    name = _plain_name(key)
    if key in _OURS:
        return False
    return name in {*_RENAMED, *_ELSEWHERE, *_ON_NODE} or _kind(name) in _NUMBERED or name.startswith("lxc.")


def _plain_name(key: str) -> str:
    return key.replace("-", "_")


def _kind(name: str) -> str:
    return re.sub(r"(?<=[a-z])[0-9]{1,3}$", "", name) if name[-1:].isdecimal() else ""


def _remedy(ctid: int, key: str, parsed: ParsedEntry, *, image: bool) -> str:
    name = _plain_name(key)
    renamed = {**_RENAMED, **(_OF_IMAGES if image else {})}
    if name in renamed:
        return _renamed(*renamed[name], parsed, parsed.raw[key])
    if name.startswith("lxc."):
        name = "lxc"
    said = _ELSEWHERE.get(name) or _NUMBERED.get(_kind(name)) or "Remove it. On the node: pct set {ctid} --{key} …"
    return said.format(ctid=ctid, key=plain(key.replace("_", "-"))) + _there(name, parsed.raw[key])


_READ: Mapping[str, Mapping[str, Callable[[Any], dict[str, Any] | None]]] = {
    "net": {"networks": proxmox_forms.networks},
    "mp": {"mount_points": proxmox_forms.mount_points, "volumes": proxmox_forms.volumes},
    "dev": {"devices": old_forms.devices},
}


def _there(name: str, value: Any) -> str:
    """Write what a value of Proxmox's is in the place where it belongs, as far as it can be read."""
    if isinstance(value, dict):
        value = ",".join(f"{option}={one}" for option, one in value.items())
    if name == "net0":
        whole = proxmox_forms.network_config({"network_config": value})
        return f" There it is {json.dumps(whole)[1:-1]}." if whole else ""
    for key, read in _READ.get(_kind(name), {}).items():
        if found := read({key: value}):
            return f" There it is {json.dumps(found[key])[1:-1]}, an item of {key}."
    return ""


def _renamed(
    ours: tuple[str, ...], read: Callable[[Any], dict[str, Any] | None], parsed: ParsedEntry, value: Any
) -> str:
    there = [key for key in ours if parsed.declares(key)]
    values = {key or ours[0]: one for key, one in (read(value) or {}).items()}
    lacking = {key: one for key, one in values.items() if key not in there}
    if there and not lacking:
        return f"Remove it: {_listed(there)} {'is' if len(there) == 1 else 'are'} there."
    if not lacking:
        return f"Write {_listed(ours)} in its place."
    pairs = ", ".join(f'"{key}": {json.dumps(one)}' for key, one in lacking.items())
    return f"Write {pairs} in its place."


def _listed(keys: Sequence[str]) -> str:
    *rest, last = keys
    return f"{', '.join(rest)} and {last}" if rest else last
