"""From a checked entry to its declaration: defaults filled in, templates' values inherited, one spelling, hashed."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from phoenix_producer.contract import DesiredState
from phoenix_worker.catalog.access import access, access_keys
from phoenix_worker.catalog.declaration import (
    PROTECTION,
    Declaration,
    Firewall,
    FirewallRule,
    HaResource,
    Role,
    Volume,
)
from phoenix_worker.catalog.downloads import download
from phoenix_worker.catalog.interfaces import networks
from phoenix_worker.catalog.nodes import ANY_NODE, SpreadGroup
from phoenix_worker.catalog.options import of_image, options
from phoenix_worker.catalog.refusals import template_chain, templates, unprivileged
from phoenix_worker.catalog.root_only import root_only, root_only_keys, token_options
from phoenix_worker.catalog.scripts import ScriptPlaces, ScriptSurroundings, inside, inside_keys, json_at, short_hash
from phoenix_worker.catalog.unapplied import not_applied
from phoenix_worker.catalog.versions import needs_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenix_worker.catalog import sections
    from phoenix_worker.catalog.entry import Entry, ParsedEntry

_LATER = (
    *(("log", None), ("sha256", ""), ("directories", ()), ("script", None)),
    *(("trunks", ()), ("mtu", None), ("rate", None), ("firewall", None), ("link_down", None), ("mac", None)),
    ("host_managed", None),
    *(("macro", None), ("source_port", None), ("icmp_type", None), ("iface", None), ("enable", True)),
    *(("policy_in", None), ("policy_out", None), ("options", ()), ("given", None), ("secret", None)),
)
_WITHOUT_EFFECT = (
    *("not_applied", "needs_shell", "needs_version", "source", "script_json", "archives", "hash"),
    *("wait_for_address", "moved_from", "via", "lanes", "nodes", "spread"),
)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the settings say where an entry says nothing."""

    node: str
    """A name, several with commas, or `any`."""
    template_storage: str = "local"
    """Where OS templates lie that the catalog names by a path."""
    storage: str | None = None
    """For the root disk of what is created from an OS template; None leaves it to Proxmox."""
    scratch: range | None = None
    """CTIDs at which templates are rebuilt."""
    copies: range | None = None
    """CTIDs of the copies of templates."""
    scripts: ScriptPlaces = field(default_factory=ScriptPlaces)

    def nodes_of(self, entry: Entry) -> tuple[str, ...]:
        """Return the nodes on which an entry may be made."""
        return entry.node or tuple(one.strip() for one in self.node.split(","))

    def node_of(self, entry: Entry) -> str:
        """Return the node on which an entry is made; nothing when it is to be chosen."""
        several = self.nodes_of(entry)
        return several[0] if len(several) == 1 and several[0] != ANY_NODE else ""


def declare(
    entries: Mapping[int, ParsedEntry], defaults: Defaults, surroundings: ScriptSurroundings
) -> dict[int, Declaration]:
    """Resolve all entries. They must have passed every check."""
    made = templates(entries)
    return {
        ctid: _declare(
            parsed,
            defaults,
            template=ctid in made,
            privileged=not unprivileged(entries, ctid),
            inherits_gpus=_inherits_gpus(entries, ctid),
            stays_with_volumes=_stays_with_volumes(entries, ctid, defaults),
            surroundings=replace(surroundings, made_from=_made_from(entries, ctid)),
            besides={"template_node": _template_node(entries, ctid, defaults)}
            | options(parsed.entry, template=ctid in made, image=of_image(entries, ctid))
            | {"needs_version": tuple(needs_version(parsed.entry, image=of_image(entries, ctid)))},
        )
        for ctid, parsed in sorted(entries.items())
    }


def _made_from(entries: Mapping[int, ParsedEntry], ctid: int) -> tuple[Mapping[str, Any], ...]:
    return tuple(entries[source].raw for source in template_chain(entries, ctid))


def _template_node(entries: Mapping[int, ParsedEntry], ctid: int, defaults: Defaults) -> str | None:
    """Name the node of the template that it is cloned from, if that is another one."""
    source = entries[ctid].entry.clone_from_ctid
    node = "" if source is None else defaults.node_of(entries[source].entry)
    return None if node in {"", defaults.node_of(entries[ctid].entry)} else node


def _inherits_gpus(entries: Mapping[int, ParsedEntry], ctid: int) -> bool:
    return any(entries[source].entry.gpu_assignment != "none" for source in template_chain(entries, ctid))


def _stays_with_volumes(entries: Mapping[int, ParsedEntry], ctid: int, defaults: Defaults) -> bool:
    """Return whether a full clone inherits volumes and keeps their storage: a storage named is one for all."""
    chain = [entries[source].entry for source in template_chain(entries, ctid)]
    if not any(template.all_volumes for template in chain):
        return False
    own = entries[ctid].entry.storage_pool
    return own is None or own == next(filter(None, (one.storage_pool for one in chain)), defaults.storage)


def _declare(
    parsed: ParsedEntry,
    defaults: Defaults,
    *,
    template: bool,
    privileged: bool,
    inherits_gpus: bool,
    stays_with_volumes: bool,
    surroundings: ScriptSurroundings,
    besides: Mapping[str, Any],
) -> Declaration:
    entry = parsed.entry
    log_in = access(entry, surroundings.contents)
    declaration = Declaration(
        ctid=parsed.ctid,
        name=entry.name,
        role=Role.TEMPLATE if template else Role.CONTAINER,
        memory_mb=entry.memory_mb,
        swap_mb=entry.swap_mb,
        cores=entry.cores,
        unprivileged=not privileged,
        features=token_options(entry, unprivileged=not privileged),
        firewall=None if entry.firewall is None else _firewall(entry.firewall),
        tags=None if entry.tags is None else tuple(sorted(set(entry.tags))),
        description=entry.description,
        pool=entry.pool,
        dependencies=tuple(dict.fromkeys(entry.dependencies)),
        not_applied=not_applied(entry),
        source=parsed.raw,
        access=log_in,
        needs_shell=(
            *access_keys(entry),
            *inside_keys(entry, template=template),
            *root_only_keys(parsed, unprivileged=not privileged, inherits_gpus=inherits_gpus),
        ),
        **_place(entry, defaults),
        **_disks(entry, defaults, stays_with_volumes=stays_with_volumes),
        **_network(entry),
        **_running(entry, template=template),
        **besides,
        **root_only(parsed, unprivileged=not privileged),
        **inside(parsed, defaults.scripts, surroundings, template=template),
    )
    declaration = replace(declaration, scripts=(*log_in, *declaration.scripts))
    return replace(declaration, hash=_hash(declaration))


def _place(entry: Entry, defaults: Defaults) -> dict[str, Any]:
    """Return the node where it is made, or those to choose from, and how many clones of it are made at once."""
    node = defaults.node_of(entry)
    return {
        "node": node,
        "nodes": () if node else defaults.nodes_of(entry),
        "spread": None if entry.spread is None else SpreadGroup(entry.spread.group, entry.spread.require),
        "lanes": entry.lanes,
    }


def _disks(entry: Entry, defaults: Defaults, *, stays_with_volumes: bool) -> dict[str, Any]:
    """Return what its disks are made from, and how they are to be."""
    cloned = entry.clone_from_ctid is not None
    return {
        "clone_from": entry.clone_from_ctid,
        "os_template": None if cloned else _volume_id(entry, defaults),
        "download": None if cloned else download(entry),
        "full_clone": not cloned or entry.clone == "full",
        "storage": entry.storage_pool if cloned else entry.storage_pool or defaults.storage,
        "disk_gb": entry.storage_size_gb,
        "root_options": () if entry.root_disk is None else entry.root_disk.in_proxmox,
        "stays_with_volumes": stays_with_volumes,
        "volumes": tuple(Volume(one.pool, one.gib, one.mount_point, one.in_proxmox) for one in entry.all_volumes),
    }


def _network(entry: Entry) -> dict[str, Any]:
    first, *more = networks(entry) or (None,)
    return {
        "network": first,
        "mac": entry.mac_address or (first.mac if first else None),
        "more_networks": tuple(filter(None, more)),
    }


def _running(entry: Entry, *, template: bool) -> dict[str, Any]:
    """Return whether it runs, when the node starts it, and what HA does with it. A template never runs."""
    started = {
        "start_at_boot": entry.start_at_boot,
        "boot_order": entry.boot_order,
        "boot_delay": entry.boot_delay,
        "wait_for_address": entry.wait_for_address,
    }
    return {
        "state": DesiredState.STOPPED if template else DesiredState(entry.state),
        "ha": None if entry.ha is None else HaResource(**entry.ha.model_dump()),
        **(dict.fromkeys(started) if template else started),
    }


def scratch_of(template: Declaration, ctids: range) -> Declaration:
    """Declare the same at the CTID where a template is rebuilt, which is always the same one of the range.

    It is never protected: it is destroyed once it was copied.
    """
    ctid = ctids[template.ctid % len(ctids)]
    given = json_at(template.script_json, template.ctid, ctid)
    free = tuple(option for option in template.options if option[0] != PROTECTION)
    declaration = replace(template, ctid=ctid, role=Role.SCRATCH, script_json=given, options=free)
    return replace(declaration, hash=_hash(declaration))


def copy_of(template: Declaration, ctid: int, node: str) -> Declaration:
    """Declare the same at another CTID on a node. Its hash does not know the node, as it may be moved."""
    given = json_at(template.script_json, template.ctid, ctid)
    declaration = replace(template, ctid=ctid, copy_of=template.ctid, script_json=given, nodes=(), spread=None)
    declaration = replace(declaration, hash=_hash(declaration))
    source = template.template_node or template.node
    elsewhere = template.clone_from is not None and source not in {"", node}
    return replace(declaration, node=node, template_node=source if elsewhere else None)


def _volume_id(entry: Entry, defaults: Defaults) -> str | None:
    if (fetched := download(entry)) is not None:
        return f"{defaults.template_storage}:vztmpl/{fetched.name}"
    if entry.template is None or ":vztmpl/" in entry.template:
        return entry.template
    return f"{defaults.template_storage}:vztmpl/{entry.template.rsplit('/', 1)[-1]}"


def _firewall(declared: sections.Firewall) -> Firewall:
    rules = None if declared.rules is None else tuple(map(_rule, declared.rules))
    return Firewall(declared.enabled, rules, declared.policy_in, declared.policy_out, declared.options)


def _rule(declared: sections.FirewallRule) -> FirewallRule:
    parts = declared.model_dump(exclude={"group"})
    return FirewallRule(**parts | ({"type": "group", "action": declared.group} if declared.group else {}))


def _hash(declaration: Declaration) -> str:
    """Hash what differs from the defaults: a version that knows more keys must not take every container for changed."""
    effective = {
        one.name: getattr(declaration, one.name)
        for one in fields(declaration)
        if one.name not in _WITHOUT_EFFECT and (one.default is MISSING or getattr(declaration, one.name) != one.default)
    }
    return short_hash(json.dumps(effective, sort_keys=True, default=_plain).encode())


def _plain(part: Any) -> dict[str, Any]:
    """Give the fields of a part, but not those that came later and are not declared."""
    return asdict(
        part, dict_factory=lambda pairs: {name: value for name, value in pairs if (name, value) not in _LATER}
    )
