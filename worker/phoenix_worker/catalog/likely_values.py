"""What was meant by a value that other tools read: written so that it loads.

Each function reads one value; None where it does not know better than the words of the field itself.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(?:([KMGT])i?B?)?", re.IGNORECASE | re.ASCII)
_IN_MIB = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}
_MIB_IN_GIB = 1024
_BITS_IN_BYTE = 8
_LONGEST = 300
_MOST_VLANS = 64
"""As many are written out of a range."""


def remedy(location: tuple[int | str, ...], value: Any) -> str | None:
    """Say what to write in the place of a value; None where it is not known what was meant."""
    key = next((step for step in reversed(location) if isinstance(step, str)), "")
    of_item = isinstance(location[-1], int)
    known = (_OF_ITEMS if of_item else _OF_VALUES).get(key)
    return None if known is None or isinstance(value, bool) else known(value)


def write(value: Any) -> str | None:
    """Say what to write, unless it is too long for a line."""
    text = json.dumps(value)
    return f"Write {text}." if len(text) <= _LONGEST else None


def _mib(value: Any) -> float | None:
    found = _SIZE.fullmatch(str(value).strip())
    mib = float(found[1]) * _IN_MIB[(found[2] or "G").upper()] if found else 0
    return mib or None


def _size(value: Any) -> str | None:
    mib = _mib(value)
    return None if mib is None or mib % 1 else write(_with_unit(int(mib)))


def _with_unit(mib: int) -> str:
    short = mib >= _MIB_IN_GIB and mib * 10 % _MIB_IN_GIB == 0
    return f"{mib / _MIB_IN_GIB:.12g}G" if short else f"{mib}M"


def _size_gb(value: Any) -> str | None:
    mib = _mib(value)
    if mib is None or mib % 1:
        return None
    whole = mib % _MIB_IN_GIB == 0
    return write(int(mib) // _MIB_IN_GIB) if whole else f'Write "size": "{_with_unit(int(mib))}" in its place.'


def _root_gb(value: Any) -> str | None:
    mib = _mib(value)
    return None if mib is None else write(math.ceil(mib / _MIB_IN_GIB))


def _vlans(value: Any) -> str | None:
    words = re.split(r"[\s,;]+", value.strip(" ,;")) if isinstance(value, str) else [str(value)]
    numbers = [number for word in words for number in _range(word)]
    return write(numbers) if 0 < len(numbers) <= _MOST_VLANS and all(map(_range, words)) else None


def _vlan_items(value: Any) -> str | None:
    numbers = _range(value) if isinstance(value, str) else range(0)
    return f"Write {', '.join(map(str, numbers))}." if 0 < len(numbers) <= _MOST_VLANS else None


def _range(text: str) -> range:
    found = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", text)
    return range(int(found[1]), int(found[2] or found[1]) + 1) if found else range(0)


_MOUNT_OPTIONS = frozenset({"discard", "lazytime", "noatime", "nodev", "noexec", "nosuid"})


def _mount_options(value: Any) -> str | None:
    words = re.split(r"[\s,;]+", value.strip(" ,;")) if isinstance(value, str) else []
    return write(words) if words and _MOUNT_OPTIONS.issuperset(words) else None


def _mount_option(value: Any) -> str | None:
    if value in ("ro", "rw"):
        return f'Write "read_only": {json.dumps(value == "ro")} beside mount_options, and remove it here.'
    words = re.split(r"[\s,;]+", value) if isinstance(value, str) else []
    return f"Write {json.dumps(words)[1:-1]}." if words and _MOUNT_OPTIONS.issuperset(words) else None


def _mac(value: Any) -> str | None:
    if str(value).lower() in {"auto", "random", "generate", "generated", "default"}:
        return "Remove it: Proxmox chooses one then."
    digits = re.sub(r"[-:. ]", "", str(value)).upper()
    if re.fullmatch(r"[0-9A-F][02468ACE][0-9A-F]{10}", digits) is None:
        return None
    return write(":".join(digits[place : place + 2] for place in range(0, 12, 2)))


def _mode(value: Any) -> str | None:
    found = re.fullmatch(r"(?:0o|0{0,2})([0-7]{3})", str(value))
    return write(f"0{found[1]}") if found else None


def _address(value: Any) -> str | None:
    text = str(value).strip()
    if text.lower() in {"dhcp", "manual"}:
        return write(text.lower())
    if re.search(r"/[0-9.]{7,15}$", text) is None:
        return None
    try:
        return write(str(ipaddress.IPv4Interface(text)))
    except ValueError:
        return None


def _address6(value: Any) -> str | None:
    known = {"dhcp": "dhcp", "dhcp6": "dhcp", "dhcpv6": "dhcp", "slaac": "auto", "auto": "auto", "manual": "manual"}
    word = known.get(str(value).strip().lower())
    return None if word is None else write(word)


def _gateway(value: Any) -> str | None:
    try:
        return write(str(ipaddress.ip_interface(str(value).strip()).ip))
    except ValueError:
        return None


def _rate(value: Any) -> str | None:
    found = re.fullmatch(
        r"([0-9]{1,6}(?:\.[0-9]{1,3})?) ?(?:(m|mb|mbps|mb/s|mib/s)|(mbit|mbit/s))?", str(value).strip(), re.IGNORECASE
    )
    return write(float(found[1]) / (_BITS_IN_BYTE if found[3] else 1)) if found else None


def _disk_ids(value: Any) -> str | None:
    """Read maps as `id_maps` has them, or several in a list."""
    words = [str(one) for one in value] if isinstance(value, list) else re.split(r"[;,]", str(value))
    maps = [re.sub(r"[\s:]+", ":", word.strip()) for word in words if word.strip()]
    return write(";".join(maps)) if maps and all(re.fullmatch(r"[ug](:[0-9]{1,10}){3}", one) for one in maps) else None


def _ports(value: Any) -> str | None:
    text = (
        ",".join(map(str, value)) if isinstance(value, list) else re.sub(r"(?<=[0-9])\s*-\s*(?=[0-9])", ":", str(value))
    )
    return write(text) if re.fullmatch(r"[\w-]+([,:][\w-]+)*", text) else None


def _id_map(value: Any) -> str | None:
    told = " ".join(map(str, value)) if isinstance(value, list) else str(value).removeprefix("lxc.idmap")
    text = re.sub(r"^([ug])id\b", r"\1", re.sub(r"[\s:,=]+", " ", told).strip())
    return write(text) if re.fullmatch(r"[ug]( [0-9]{1,10}){3}", text) else None


def _template(value: Any) -> str | None:
    """Read a reference to an OCI image of a registry, with its tag; and an archive on a storage, without its folder."""
    archive = re.fullmatch(r"([A-Za-z][\w.-]*[A-Za-z0-9]):([^/:]+\.tar(?:\.\w+)?)", str(value), re.ASCII)
    if archive is not None:
        return write(f"{archive[1]}:vztmpl/{archive[2]}")
    found = re.fullmatch(r"(?:docker://)?([\w-]+(?:\.[\w-]+)+(?::[0-9]+)?(?:/[\w.-]+)+:[\w.-]+)", str(value), re.ASCII)
    return write(f"oci://{found[1]}") if found else None


def _time_zone(value: Any) -> str | None:
    text = str(value)
    if text.lower() == "host":
        return write("host")
    return write("UTC") if text.upper().removeprefix("ETC/") in {"UTC", "UCT", "GMT", "Z", "ZULU"} else None


def _host_name(value: Any) -> str | None:
    text = re.sub(r"[_\s]+", "-", str(value).strip()).strip(".-")
    return write(text) if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?", text) else None


def _tags(value: Any) -> str | None:
    words = re.split(r"[;,\s]+", value.strip(";, ")) if isinstance(value, str) else []
    return f"Write {json.dumps(words)[1:-1]}." if len(words) > 1 else None


def _snippet(value: Any) -> str | None:
    found = re.fullmatch(r"/var/lib/vz/snippets/([\w.+-]+)", str(value), re.ASCII)
    return write(f"local:snippets/{found[1]}") if found else None


def _place(value: Any) -> str | None:
    """Read a place in the container without its slash, which Proxmox puts before it."""
    return None if str(value).startswith("/") else write(f"/{value}")


def _profile(value: Any) -> str | None:
    text = re.sub(r"^(lxc\.apparmor\.profile|lxc\.aa_profile)\s*[=:]", "", str(value)).strip()
    return write(text) if re.fullmatch(r"[^\s=]+", text) else None


_OF_VALUES: Mapping[str, Callable[[Any], str | None]] = {
    "apparmor_profile": _profile,
    "container_path": _place,
    "gw": _gateway,
    "gw6": _gateway,
    "hookscript": _snippet,
    "idmap": _disk_ids,
    "ip": _address,
    "ip6": _address6,
    "mac_address": _mac,
    "name": _host_name,
    "mode": _mode,
    "mount_point": _place,
    "mount_options": _mount_options,
    "port": _ports,
    "rate": _rate,
    "size": _size,
    "source_port": _ports,
    "template": _template,
    "size_gb": _size_gb,
    "storage_size_gb": _root_gb,
    "timezone": _time_zone,
    "trunks": _vlans,
}
_OF_ITEMS: Mapping[str, Callable[[Any], str | None]] = {
    "id_maps": _id_map,
    "mount_options": _mount_option,
    "tags": _tags,
    "trunks": _vlan_items,
}
