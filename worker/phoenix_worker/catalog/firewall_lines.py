"""Rules as a firewall file of Proxmox has them, one a line: what our section says of each (`parse_fw_rule`)."""

from __future__ import annotations

import re
from typing import Any

_OPTIONS = {
    **dict.fromkeys(("i", "iface"), "iface"),
    **dict.fromkeys(("p", "proto"), "proto"),
    **{name: name for name in ("source", "dest", "log")},
    "dport": "port",
    "sport": "source_port",
    "icmp-type": "icmp_type",
}
_RULE = re.compile(
    r"(\|)?\s*(IN|OUT|GROUP)\s+([\w-]+)(?:\((\w+)\))?((?:\s+--?[a-z-]+\s+\S+)*)\s*(?:#(.*))?", re.IGNORECASE
)


def rule(line: str) -> dict[str, Any] | None:
    """Read one, `IN SSH(ACCEPT) -source +office -log nolog # from inside`; one behind a `|` is not in force."""
    found = _RULE.fullmatch(line.strip())
    words = found[5].split() if found else []
    options = {name.lstrip("-"): value for name, value in zip(words[::2], words[1::2], strict=True)}
    if found is None or options.keys() - _OPTIONS.keys():
        return None
    off, kind, what, action, _, comment = found.groups()
    told = {"group": what} if kind.upper() == "GROUP" else {"type": kind.lower(), "action": (action or what).upper()}
    told |= {"macro": what} if action else {}
    told |= {_OPTIONS[name]: value for name, value in options.items()}
    told |= {"comment": comment.strip()} if comment and comment.strip() else {}
    return told | ({"enable": False} if off else {})
