"""What was meant by a value of another type or spelling than its key takes: written so that it is taken.

Each function reads one kind of error; None where it does not know better than the words for all of that kind.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog.likely_values import write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic_core import ErrorDetails

_FLAGS = {
    **dict.fromkeys(("1", "true", "yes", "on", "enabled"), True),
    **dict.fromkeys(("0", "false", "no", "off", "disabled"), False),
}
_IN_MIB = {"M": 1, "G": 1024, "T": 1024**2}
_IN_SECONDS = {"s": 1, "m": 60, "h": 3600}
_SECONDS = ("interval", "boot_delay", "boot_down_delay", "wait_for_address")
_JOINED = {"port": ",", "source_port": ",", "source": ",", "dest": ",", "description": "\n"}
"""What is between the items of a list that this product takes as one string."""
_COMMANDS = ("command", "entrypoint")
_SAME = {
    "action": {"allow": "ACCEPT", "permit": "ACCEPT", "deny": "DROP", "block": "DROP"},
    "arch": {
        "x86_64": "amd64",
        "x86-64": "amd64",
        "x64": "amd64",
        "aarch64": "arm64",
        "i686": "i386",
        "x86": "i386",
        "armv7l": "armhf",
    },
    "clone": {"opportunistic": "linked"},
    "os_type": {
        **dict.fromkeys(("rocky", "rockylinux", "alma", "almalinux", "rhel", "oracle", "centos-stream"), "centos"),
        **dict.fromkeys(("arch", "arch-linux"), "archlinux"),
        **dict.fromkeys(("suse", "opensuse-leap", "opensuse-tumbleweed"), "opensuse"),
    },
    "log": {
        **dict.fromkeys(("yes", "on", "1"), "info"),
        "warn": "warning",
        "error": "err",
        "critical": "crit",
        "none": "nolog",
        "true": "info",
        "false": "nolog",
    },
    "state": {
        **dict.fromkeys(("started", "restarted", "on", "up", "true", "1"), "running"),
        "off": "stopped",
        "down": "stopped",
    },
    "type": {"ingress": "in", "input": "in", "incoming": "in", "egress": "out", "output": "out", "outgoing": "out"},
}
_SAME |= {"policy_in": _SAME["action"], "policy_out": _SAME["action"]}
_SAME |= {"log_level_in": _SAME["log"], "log_level_out": _SAME["log"]}
_SAME["state"] |= {"false": "stopped", "0": "stopped"}


_STATES = {
    "absent": "Remove it. What deletes a container and its disks is: phoenix-lxc destroy CTID",
    "present": 'Remove it, or write "stopped": the container is left running without it.',
    "template": 'Write "is_template": true in its place.',
}
"""Those of Ansible that are no power states."""


def remedy(detail: ErrorDetails, entry: Mapping[str, Any]) -> str | None:
    """Say what to write in the place of a value; None where it is not known what was meant."""
    key = next((step for step in reversed(detail["loc"]) if isinstance(step, str)), "")
    read = _BY_TYPE.get(detail["type"])
    if (key, detail["type"]) == ("clone", "literal_error"):
        return _source(detail["input"], entry) or _one_of(key, detail["input"], detail)
    if key == "template" and (told := _template(detail["input"])) is not None:
        return told
    if key == "state" and (of_ansible := _STATES.get(_word(detail["input"]))) is not None:
        return of_ansible
    return None if read is None else read(key, detail["input"], detail)


def _template(value: Any) -> str | None:
    """Read what other tools have under `template`: whether it is one."""
    flag = _FLAGS.get(_word(value))
    on = 'Write "is_template": true in its place, and in template what it is created from.'
    return None if flag is None else on if flag else "Remove it: it is no template without it."


def _word(value: Any) -> str:
    return str(value).strip().lower()


def _source(value: Any, entry: Mapping[str, Any]) -> str | None:
    """Read what other tools have under `clone`: from what."""
    if isinstance(value, bool) or re.fullmatch(r"[1-9][0-9]{2,8}", str(value)) is None:
        return None
    if entry.get("clone_from_ctid") not in (None, ""):
        return "Remove it: clone_from_ctid is there."
    return f'Write "clone_from_ctid": {json.dumps(value)} in its place.'


def _alone(value: Any) -> Any:
    """Take the only item of a list."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _flag(_: str, value: Any, __: ErrorDetails) -> str | None:
    value = _alone(value)
    read = None if isinstance(value, list | dict) else _FLAGS.get(_word(value))
    return None if read is None else write(read)


def _whole(key: str, value: Any, _: ErrorDetails) -> str | None:
    value = _alone(value)
    if isinstance(value, bool | list | dict):
        return None
    if (
        key in _SECONDS
        and (parts := re.fullmatch(r"(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,4})s)?", f"{value}"))
        and f"{value}"
    ):
        hours, minutes, seconds = (int(part or 0) for part in parts.groups())
        return write(hours * 3600 + minutes * 60 + seconds)
    found = re.fullmatch(r"([0-9]{1,9})(?:\.0+)?\s*([A-Za-z]*)", str(value).strip())
    if found is None:
        return None
    units = _IN_MIB if key.endswith("_mb") else _IN_SECONDS if key in _SECONDS else {}
    unit = found[2][:1].upper() if units is _IN_MIB else found[2][:1].lower()
    if found[2] and unit not in units:
        return None
    return write(int(found[1]) * (units[unit] if found[2] else 1))


def _decimal(_: str, value: Any, __: ErrorDetails) -> str | None:
    text = _word(_alone(value))
    return write(float(text)) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) else None


def _one_of(key: str, value: Any, detail: ErrorDetails) -> str | None:
    if isinstance(value, list | dict):
        return None
    known = re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))
    meant = next((one for one in known if one.lower() == _word(value)), _SAME.get(key, {}).get(_word(value)))
    return write(meant) if meant in known else None


def _text(key: str, value: Any, _: ErrorDetails) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return write(str(value))
    words = [str(one) for one in value] if isinstance(value, list) and value else []
    if any(isinstance(one, list | dict) for one in (value if words else [])) or not words:
        return None
    if key in _COMMANDS:
        return write(_command(words))
    separator = _JOINED.get(key)
    return write((separator or "").join(words)) if separator or len(words) == 1 else None


def _command(words: list[str]) -> str:
    """Write its words as one line; in Compose the first of them says who reads the rest."""
    first, *rest = words
    if first == "CMD-SHELL":
        return " ".join(rest)
    return shlex.join(rest if first == "CMD" and rest else words)


def _several(key: str, value: Any, __: ErrorDetails) -> str | None:
    if isinstance(value, dict) and key == "dependencies":
        return write(list(value))
    if isinstance(value, dict) and key == "lxc_options":
        return write([f"{name}={one}" for name, one in value.items()])
    return write([value]) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _object(_: str, value: Any, __: ErrorDetails) -> str | None:
    alone = isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)
    return write(value[0]) if alone else None


_NONE = {"vlan": "it has no VLAN then", "mtu": "it has that of its bridge then"}
"""Keys for which other tools have a number that says none."""


def _too_small(key: str, value: Any, _: ErrorDetails) -> str | None:
    return f"Remove it: {_NONE[key]}." if key in _NONE and value in (0, -1) else None


_BY_TYPE: Mapping[str, Callable[[str, Any, ErrorDetails], str | None]] = {
    "bool_type": _flag,
    "int_type": _whole,
    "float_type": _decimal,
    "greater_than_equal": _too_small,
    "list_type": _several,
    "literal_error": _one_of,
    "model_type": _object,
    "string_type": _text,
}
