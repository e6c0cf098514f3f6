"""What Proxmox makes of changes, without a server: the rules of pve-container and pve-firewall, and their spellings.

Written from Proxmox's own sources, and apart from the product's, whose rules are checked against it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from phoenix_worker.core.differs import root_only
from phoenix_worker.core.model.firewall import Act, FirewallState
from phoenix_worker.core.model.ha import HaAct, HaState

if TYPE_CHECKING:
    from phoenix_worker.core.differs.diff import Changes
    from phoenix_worker.core.model.firewall import Rule, RuleWrite
    from phoenix_worker.core.model.ha import HaWrite
    from phoenix_worker.core.model.observation import Observation

NEW_MAC = "BC:24:11:AA:BB:CC"


def carried_out(seen: Observation, changes: Changes) -> Observation:
    """What is seen once all changes were sent."""
    # What only root may set goes to `pct` and into the node's file, which have tests of their own.
    config = dict(root_only.applied(seen, changes.root).config)
    for key in changes.delete:
        config.pop(key, None)
    for key, value in changes.put.items():
        config[key] = shown(key, value, seen.ctid)
    for disk, size_gb in changes.grow.items():
        assert re.search(r"size=[\d.]+[KMGT]?", config[disk]), "only what has a size can grow"
        config[disk] = re.sub(r"size=[\d.]+[KMGT]?", f"size={size_gb}G", config[disk])
    firewall = seen.firewall
    if firewall is not None:
        enabled = firewall.enabled if changes.firewall_on is None else changes.firewall_on
        rules = tuple(ruled(list(firewall.rules), changes.rules))
        firewall = FirewallState(enabled, rules, policies=firewall.policies | changes.policies)
    else:
        assert not changes.rules
    ha = managed(seen.ha, changes.ha) if changes.ha is not None else seen.ha
    return replace(seen, config=config, firewall=firewall, pool=changes.pool or seen.pool, ha=ha)


def managed(before: HaState | None, write: HaWrite) -> HaState:
    """What pve-ha-manager makes of a request: `PVE/API2/HA/Resources.pm`."""
    assert before is not None, "nobody has looked"
    assert before.managed is (write.act is not HaAct.ADD)
    if write.act is HaAct.REMOVE:
        return HaState()
    sent = write.properties
    return replace(
        before,
        managed=True,
        group=sent.get("group", before.group),
        max_restart=int(sent.get("max_restart", before.max_restart)),
        max_relocate=int(sent.get("max_relocate", before.max_relocate)),
    )


def shown(key: str, value: str, ctid: int) -> str:
    """A value as `GET config` shows it after it was set."""
    if key.startswith("net"):
        parts = dict(part.split("=", 1) for part in value.split(","))
        parts = {"hwaddr": NEW_MAC} | parts | {"type": "veth"}
        return ",".join(f"{name}={parts[name]}" for name in sorted(parts, key=lambda name: (name != "name", name)))
    if key == "features":
        return ",".join(sorted(value.split(",")))
    if key == "tags":
        return ";".join(sorted({tag.lower() for tag in re.split(r"[;, ]+", value) if tag}))
    if key == "description":
        return f"{value}\n"
    if re.fullmatch(r"rootfs|mp\d+", key):
        return _allocated(key, value, ctid)
    return value


def _allocated(key: str, value: str, ctid: int) -> str:
    volume, *options = value.split(",")
    storage, _, size_gb = volume.partition(":")
    if re.fullmatch(r"\d+(\.\d+)?", size_gb) is None:
        assert any(option.startswith("size=") for option in options), f"{key}: its size would be lost"
        return ",".join([volume, *sorted(options)])
    # Whole MiB: `create_disks` in pve-container.
    mib = int(float(size_gb) * 1024)
    size = f"size={mib // 1024}G" if mib % 1024 == 0 else f"size={mib}M"
    return ",".join([f"{storage}:vm-{ctid}-disk-{key}", *sorted([*options, size])])


def ruled(rules: list[Rule], writes: tuple[RuleWrite, ...]) -> list[Rule]:
    """What pve-firewall makes of rules: `PVE/API2/Firewall/Rules.pm`."""
    now = list(rules)
    for write in writes:
        if write.act is Act.INSERT:
            now.insert(0, write.rule or {})
        elif write.act is Act.DELETE:
            del now[write.position]
        elif write.act is Act.UPDATE:
            kept = {name: value for name, value in now[write.position].items() if name not in write.drop}
            now[write.position] = kept | (write.rule or {})
        else:
            now.insert(write.position - 1, now.pop(0))
    return now
