"""What a container will look like once it was made, or configured: by the rules of Proxmox, without asking it.

A plan for a clone tells old and new values before the clone exists, and of a template that does not exist either.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phoenix_worker.core.differs import networks, root_only, volumes
from phoenix_worker.core.differs.diff import creation_config, creation_marker, diff, marker_for
from phoenix_worker.core.differs.firewall import declared_rule
from phoenix_worker.core.differs.ha import ha_then
from phoenix_worker.core.model import property_string
from phoenix_worker.core.model.firewall import FirewallState
from phoenix_worker.core.model.ha import HaState
from phoenix_worker.core.model.marker import Stage, write_marker
from phoenix_worker.core.model.observation import Observation, Presence

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import Declaration

_ITS_OWN = frozenset({"template", "lock"})
"""What a clone does not have of its template."""


def inherited(declaration: Declaration, template: Observation) -> Observation:
    """Predict a clone before it is configured. From pve-container's `clone_vm`: all is copied, but the MAC is new."""
    config = {key: value for key, value in template.config.items() if key not in _ITS_OWN}
    config["hostname"] = declaration.name
    marker = marker_for(declaration, "", Stage.MADE)
    config["description"] = write_marker(marker, declaration.description or "")
    for key in networks.keys(config):
        interface = property_string.parse(config[key])
        interface.pop("hwaddr", None)
        config[key] = property_string.render(interface, "name")
    root = property_string.parse(config.get("rootfs", ""), "volume")
    moves = declaration.full_clone and declaration.storage is not None and not declaration.stays_with_volumes
    if moves:
        config |= _moved(declaration, config)
    if root:
        storage = declaration.storage if moves else root.get("volume", "").partition(":")[0]
        volume = {"volume": f"{storage}:vm-{declaration.ctid}-disk-0"}
        config["rootfs"] = _disk(root | volume)
    was = template.firewall
    rules = FirewallState(None, was.rules, policies=was.policies) if was is not None else None
    clone = Observation(declaration.ctid, declaration.node, Presence.HERE, config, firewall=rules, ha=HaState())
    return replace(clone, tags_keep_case=template.tags_keep_case)


def _moved(declaration: Declaration, config: dict[str, str]) -> dict[str, str]:
    """Predict the volumes of a clone to a storage that is named: it takes all of them."""
    there = [one for one in volumes.mounted(config).values() if one.storage]
    parts = {one.key: property_string.parse(config[one.key], "volume") for one in there}
    place = f"{declaration.storage}:vm-{declaration.ctid}"
    return {key: _disk(disk | {"volume": f"{place}-{key}"}) for key, disk in parts.items()}


def unmade(declaration: Declaration) -> Observation:
    """Return what is known before it is made, whatever it is made from."""
    config = {"unprivileged": str(int(declaration.unprivileged))}
    return Observation(declaration.ctid, declaration.node, Presence.HERE, config)


def created(declaration: Declaration) -> Observation:
    """Predict what is created from an OS template. Where Proxmox has a default, nothing is known."""
    config = creation_config(declaration, creation_marker(declaration, ""))
    config.pop("storage", None)
    if "rootfs" in config:
        parts = property_string.parse(config["rootfs"], "volume")
        storage, _, size_gb = parts["volume"].rpartition(":")
        made = {"volume": f"{storage}:vm-{declaration.ctid}-disk-0", "size": property_string.size_text(float(size_gb))}
        config["rootfs"] = _disk(parts | made)
    config |= _made(declaration, config)
    config["unprivileged"] = str(int(declaration.unprivileged))
    return Observation(
        declaration.ctid, declaration.node, Presence.HERE, config, firewall=FirewallState(None), ha=HaState()
    )


def applied(declaration: Declaration, seen: Observation) -> Observation:
    """Predict what stands there once it is configured."""
    changes, firewall = diff(declaration, seen), seen.firewall
    seen = root_only.applied(seen, changes.root)
    config = {key: value for key, value in (seen.config | changes.put).items() if key not in changes.delete}
    config |= _made(declaration, config)
    for disk, size_gb in changes.grow.items():
        parts = property_string.parse(config[disk], "volume")
        config[disk] = _disk(parts | {"size": property_string.size_text(float(size_gb))})
    if declaration.firewall is not None and firewall is not None:
        declared = declaration.firewall.rules
        rules = firewall.rules if declared is None else tuple(map(declared_rule, declared))
        policies = firewall.policies | declaration.firewall.policies
        firewall = FirewallState(declaration.firewall.enabled, rules, policies=policies)
    ha = ha_then(declaration.ha, seen.ha)
    return replace(seen, config=config, firewall=firewall, pool=changes.pool or seen.pool, ha=ha)


def _made(declaration: Declaration, config: dict[str, str]) -> dict[str, str]:
    """Predict how the volumes are shown that Proxmox was asked for."""
    orders = volumes.new_volumes(declaration, config)
    parts = {key: property_string.parse(order, "volume") for key, order in orders.items()}
    shown = {}
    for key, order in parts.items():
        storage, _, size_gb = order["volume"].partition(":")
        volume = {"volume": f"{storage}:vm-{declaration.ctid}-{key}", "size": property_string.size_text(float(size_gb))}
        shown[key] = _disk(order | volume)
    return shown


def _disk(parts: dict[str, str]) -> str:
    """Write the volume without its name, as Proxmox does."""
    return property_string.render(parts, "volume").removeprefix("volume=")


def foretold(declaration: Declaration, seen: Observation, template: Observation | None = None) -> Observation:
    """Predict a CTID as it will be when all its steps are done. `template` is what it would be cloned from."""
    if seen.presence is not Presence.HERE:
        seen = created(declaration) if template is None else inherited(declaration, template)
    return applied(declaration, seen)
