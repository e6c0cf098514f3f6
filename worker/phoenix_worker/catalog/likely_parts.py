"""What was meant by a key that a section does not have, where its value says it: addresses, ports, ways to mount."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog import tool_blocks
from phoenix_worker.catalog.mount_blocks import blocks
from phoenix_worker.catalog.mount_sections import MountOptions
from phoenix_worker.catalog.network_sections import Interface
from phoenix_worker.catalog.sections import FirewallRule, HealthCheck

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenix_worker.catalog.sections import Section


def remedy(model: type[Section], name: str, section: Mapping[str, Any], value: Any) -> str | None:
    """Say what to write in its place; None where its value does not say it."""
    told: dict[str, Any] | None = None
    if issubclass(model, Interface):
        told = _address(name, value)
    elif model is FirewallRule:
        told = _set(name, section, value) or _ports(name, section)
    elif model is HealthCheck and name in ("url", "http", "endpoint") and re.match(r"https?://", str(value)):
        told = {"command": f"curl -fsS {shlex.quote(str(value))}"}
    elif issubclass(model, MountOptions) and name in ("mode", "access", "rw", "writable"):
        told = _way(name, value)
    lacking = {key: one for key, one in (told or {}).items() if section.get(key) in (None, "")}
    if told and not lacking:
        return f"Remove it: {' and '.join(told)} {'is' if len(told) == 1 else 'are'} there and was probably meant."
    return f"Write {json.dumps(lacking)[1:-1]} in its place." if lacking else None


def _address(name: str, value: Any) -> dict[str, Any] | None:
    """Read Terraform's `ipv4 { address, gateway }`, and `dns { servers }`."""
    if name in ("ipv4", "ipv6") and isinstance(value, list | dict):
        return tool_blocks.addresses({name: value}) or None
    if name == "ip_config":
        return next((tool_blocks.addresses(one) for one in blocks(value)), None)
    servers = tool_blocks.name_servers(value) if name == "dns" and isinstance(value, dict) else []
    return {"nameservers": servers} if servers else None


def _set(name: str, section: Mapping[str, Any], value: Any) -> dict[str, Any] | None:
    """Read the name of an IP set, and the other side of the connection."""
    side = "dest" if name.startswith(("dest", "dst")) or str(section.get("type")).lower() == "out" else "source"
    if re.fullmatch(r"((source|src|dest|dst)_)?(ip_?set|set)", name) and isinstance(value, str):
        return {side: value if value.startswith("+") else f"+{value}"}
    return {side: value} if name in ("remote", "ip", "address", "network") and isinstance(value, str) else None


def _ports(name: str, section: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read a range whose ends stand apart: in clouds these are the destination's."""
    ends = (section.get("from_port"), section.get("to_port"))
    if name not in ("from_port", "to_port") or None in ends:
        return None
    first, last = map(str, ends)
    return {"port": first if first == last else f"{first}:{last}"}


def _way(name: str, value: Any) -> dict[str, Any] | None:
    word = str(value).lower()
    if name in ("rw", "writable"):
        word = {"true": "rw", "1": "rw", "false": "ro", "0": "ro"}.get(word, word)
    read = {"ro": True, "readonly": True, "read-only": True, "rw": False, "readwrite": False, "read-write": False}.get(
        word
    )
    return None if read is None else {"read_only": read}
