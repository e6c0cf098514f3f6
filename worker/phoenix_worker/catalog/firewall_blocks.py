"""The firewall of a container as Terraform writes it beside the container, in an entry: what our section says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog import proxmox_forms
from phoenix_worker.catalog.mount_blocks import block, blocks, renamed, spelled
from phoenix_worker.catalog.sections import Firewall

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHOSE = ("node_name", "container_id", "vm_id", "depends_on")
_OPTIONS = {
    **{name: name for name in ("enabled", "log_level_in", "log_level_out")},
    **{name: name for name in ("dhcp", "ndp", "radv", "macfilter", "ipfilter")},
    "input_policy": "policy_in",
    "output_policy": "policy_out",
}
_RULE = {
    **{name: name for name in ("type", "action", "proto", "source", "dest", "macro", "iface", "log", "comment")},
    "dport": "port",
    "sport": "source_port",
    "enabled": "enable",
    "security_group": "group",
}


def read(_: Any, entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the options and the rules of an entry, which stand apart; rules alone mean a firewall that is on."""
    inside = {spelled(name): one for name, one in entry.items()}
    options, rules = inside.get("firewall_options"), inside.get("firewall_rules")
    told = {"enabled": True} if options is None else renamed(options, _OPTIONS, without=_WHOSE)
    items = None if rules is None else _rules(rules)
    if told is None or (rules is not None and items is None):
        return None
    whole = told | ({} if items is None else {"rules": items})
    return {"firewall": whole} if proxmox_forms.fits(Firewall, whole) else None


def _rules(value: Any) -> list[dict[str, Any]] | None:
    inner = block(value) or {}
    given = blocks(next((inner[name] for name in ("rule", "rules") if name in inner), value))
    told = [renamed(one, _RULE, without=("pos",)) for one in given]
    return [one for one in told if one is not None] if told and None not in told else None
