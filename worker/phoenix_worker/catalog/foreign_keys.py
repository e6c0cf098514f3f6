"""Keys of an entry that are none of ours: names of Proxmox's options, old names of ours, and data for scripts."""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog import foreign_values, mount_blocks, old_forms, other_tools, proxmox_forms, second_interface
from phoenix_worker.catalog.entry import DATA_KEYS, OLD_KEYS, Entry, parse_entry
from phoenix_worker.catalog.fields import split
from phoenix_worker.catalog.findings import Advice, Refusal, plain, shown
from phoenix_worker.catalog.mount_blocks import spelled
from phoenix_worker.catalog.options import ENVIRONMENT, of_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from phoenix_worker.catalog.entry import ParsedEntry

    Entries = Mapping[int, ParsedEntry]


_OF_IMAGES = {"env": ((ENVIRONMENT,), foreign_values.environment)}
"""As `foreign_values.OF_PROXMOX`, of containers that begin with an image."""
_ELSEWHERE = {
    "nameserver": "Write nameservers in network_config, and remove it.",
    "net0": "Write network_config, and remove it.",
    "lxc": "Write its lines in lxc_options, and remove it.",
    **dict.fromkeys(("lock", "parent", "snaptime", "digest"), "Remove it: Proxmox decides it."),
    "vmid": "Remove it: the CTID is the key of its entry.",
    **dict.fromkeys(("force", "restore", "unique"), "Remove it: nothing is overwritten, and no backup restored."),
    **dict.fromkeys(("bwlimit", "ignore_unpack_errors"), "Remove it: it is for one order, and nothing of it is kept."),
}
_ON_NODE = ("debug", "env")
_OURS = frozenset({*Entry.model_fields, *OLD_KEYS, second_interface.KEY})
_LIKELY = (*Entry.model_fields, *DATA_KEYS)
_LONGEST = 1500
_LIKENESS = 0.81  # lets `dependency` find `dependencies`, and not `stage` find `state`
_SHORTEST = 3
"""Letters of a key of which two may be swapped."""
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
    """Warn of keys that are nearly known, or known to other tools."""
    for ctid, parsed in entries.items():
        for key in parsed.raw:
            meant = _meant(key, parsed) if _is_unknown(key) and parsed.declares(key) else None
            if meant is not None:
                yield Advice(ctid, f"{shown(key)} has no effect.", meant)


def _meant(key: str, parsed: ParsedEntry) -> str | None:
    """Say what to write in the place of a key: all of it if it can be read, or the key that is likely."""
    if other_tools.is_ctid(key):
        return "Remove it: the CTID is the key of its entry."
    told = other_tools.written(key, parsed.raw[key], parsed.raw) or _respelled(key, parsed.raw[key])
    lacking = {name: one for name, one in told.items() if not parsed.declares(name)}
    if lacking and (pairs := _pairs(lacking)) is not None:
        return f"Write {pairs} in its place.{other_tools.besides(key, parsed.raw[key])}"
    if told and all(_says(parsed.raw.get(name), one) for name, one in told.items()):
        return f"Remove it: {_listed(list(told))} {'says' if len(told) == 1 else 'say'} the same."
    likely = other_tools.meant(key) or _likely(spelled(key))
    return likely and f"{likely} was probably meant."


def _respelled(key: str, value: Any) -> dict[str, Any]:
    """Read a key of ours, or of Proxmox's, in another spelling: `startAtBoot`, `Memory`."""
    name = spelled(key)
    if name in Entry.model_fields:
        return {name: value}
    ours, read = foreign_values.OF_PROXMOX.get(name, ((), lambda _: None))
    return {one or ours[0]: part for one, part in (read(value) or {}).items()}


def _likely(name: str) -> str | None:
    """Find the key of ours that is meant: by its letters, two of which may be swapped, or by its likeness."""
    if name in foreign_values.OF_PROXMOX:
        return _listed(foreign_values.OF_PROXMOX[name][0])
    swaps = {f"{name[:at]}{name[at + 1]}{name[at]}{name[at + 2 :]}" for at in range(len(name) - 1)}
    same = next((one for one in _LIKELY if one == name or (one in swaps and len(one) >= _SHORTEST)), None)
    return same or next(iter(difflib.get_close_matches(name, _LIKELY, 1, _LIKENESS)), None)


def _says(declared: Any, told: Any) -> bool:
    """Return whether what is declared says all that another key would."""
    if isinstance(told, dict) and isinstance(declared, dict):
        return all(_says(declared.get(name), one) for name, one in told.items())
    if isinstance(told, list) and isinstance(declared, list):
        return len(told) == len(declared) and all(map(_says, declared, told))
    return bool(declared == told)


def _pairs(keys: Mapping[str, Any]) -> str | None:
    """Write keys of an entry, unless they would not load."""
    text = json.dumps(keys)[1:-1]
    return text if len(text) <= _LONGEST and not parse_entry(100, {"name": "ct"} | dict(keys))[1] else None


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
    known = {*foreign_values.OF_PROXMOX, *_ELSEWHERE, *_ON_NODE}
    return name in known or _kind(name) in _NUMBERED or name.startswith("lxc.")


def _plain_name(key: str) -> str:
    return key.replace("-", "_")


def _kind(name: str) -> str:
    return re.sub(r"(?<=[a-z])[0-9]{1,3}$", "", name) if name[-1:].isdecimal() else ""


def _remedy(ctid: int, key: str, parsed: ParsedEntry, *, image: bool) -> str:
    name = _plain_name(key)
    renamed = {**foreign_values.OF_PROXMOX, **(_OF_IMAGES if image else {})}
    if name in renamed:
        return _renamed(*renamed[name], parsed, parsed.raw[key])
    if name.startswith("lxc."):
        return _ELSEWHERE["lxc"] + _lines(key, parsed.raw[key])
    said = _ELSEWHERE.get(name) or _NUMBERED.get(_kind(name)) or "Remove it. On the node: pct set {ctid} --{key} …"
    return said.format(ctid=ctid, key=plain(key.replace("_", "-"))) + _there(ctid, name, parsed.raw[key])


def _lines(key: str, value: Any) -> str:
    """Write the raw lines of one key."""
    lines = [f"{key}={one}" for one in (value if isinstance(value, list) else [value]) if isinstance(one, str | int)]
    told = _pairs({"lxc_options": lines}) if lines else None
    return "" if told is None else f" There it is {json.dumps(lines)[1:-1]}, an item of lxc_options."


_READ: Mapping[str, Mapping[str, Callable[[Any], dict[str, Any] | None]]] = {
    "net": {"networks": proxmox_forms.networks},
    "mp": {"mount_points": proxmox_forms.mount_points, "volumes": proxmox_forms.volumes},
    "dev": {"devices": old_forms.devices},
}


def _own_volume(ctid: int, value: str) -> dict[str, Any] | None:
    """Read a volume that is the container's already: by its name, which has the CTID in it. Others' are not taken."""
    name = rf"(?:{ctid}/)?(?:vm|subvol|base)-{ctid}-disk-\w+(?:\.\w+)?"
    found = re.fullmatch(rf"(?:volume=)?([A-Za-z][\w.-]*):{name},(.+)", value)
    parts = [part.partition("=") for part in found[2].split(",")] if found else []
    return found and mount_blocks.mounts({"storage": found[1], **{key: one for key, _, one in parts}}, {})


def _there(ctid: int, name: str, value: Any) -> str:
    """Write what a value of Proxmox's is in the place where it belongs, as far as it can be read."""
    if isinstance(value, dict):
        value = ",".join(f"{option}={one}" for option, one in value.items())
    if name == "nameserver" and isinstance(value, str) and value.strip():
        return f' There it is "nameservers": {json.dumps(split(value))}.'
    if _kind(name) == "mp" and (own := _own_volume(ctid, str(value))):
        return f" There it is {json.dumps(own['volumes'])[1:-1]}, an item of volumes."
    if name == "net0":
        whole = proxmox_forms.network_config({"network_config": value})
        return f" There it is {json.dumps(whole)[1:-1]}." if whole else ""
    for key, read in _READ.get(_kind(name), {}).items():
        if found := read({key: value}):
            return f" There it is {json.dumps(found[key])[1:-1]}, an item of {key}."
    return ""


def _renamed(ours: tuple[str, ...], read: foreign_values.Read, parsed: ParsedEntry, value: Any) -> str:
    found = read(value)
    told = {key or ours[0]: one for key, one in (found or {}).items()}
    there = [key for key in dict.fromkeys((*ours, *told)) if parsed.declares(key)]
    lacking = {key: one for key, one in told.items() if key not in there}
    pairs = _pairs(lacking) if lacking else None
    if there and not lacking:
        return f"Remove it: {_listed(there)} {'is' if len(there) == 1 else 'are'} there."
    if found == {}:
        return "Remove it: that is what Proxmox does without it."
    return f"Write {_listed(ours) if pairs is None else pairs} in its place."


def _listed(keys: Sequence[str]) -> str:
    *rest, last = keys
    return f"{', '.join(rest)} and {last}" if rest else last
