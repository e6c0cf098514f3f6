"""Warnings about entries that are well-formed, and probably not meant so. Pure functions over parsed entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.catalog.findings import Advice
from phoenix_worker.catalog.interfaces import interfaces
from phoenix_worker.catalog.refusals import template_chain, templates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phoenix_worker.catalog.entry import ParsedEntry

_OF_RUNNING = (
    *("start_at_boot", "boot_order", "boot_delay", "boot_down_delay", "state"),
    *("wait_for_address", "health_check", "enable_lifecycle_snapshots"),
)
_IS_SO_ANYHOW = (False, "stopped")


def advise_volumes(entries: Mapping[int, ParsedEntry]) -> Iterator[Advice]:
    """Point out full clones to another storage: Proxmox copies all volumes of a template to one, or each to its own."""
    for ctid, parsed in entries.items():
        chain = [entries[source].entry for source in template_chain(entries, ctid)]
        pool, where = parsed.entry.storage_pool, next((one.storage_pool for one in chain if one.storage_pool), None)
        if parsed.entry.clone == "full" and pool and pool != where and any(one.all_volumes for one in chain):
            problem = f"A full clone puts all its disks on storage_pool {pool}, also those of the template's volumes."
            yield Advice(ctid, problem, f"Declare {where or 'the storage of the template'}, or its volumes on {pool}.")


def advise_templates(entries: Mapping[int, ParsedEntry]) -> Iterator[Advice]:
    """Point out what a template declares of running, which it never does."""
    for ctid in sorted(templates(entries)):
        entry = entries[ctid].entry
        idle = [key for key in _OF_RUNNING if entries[ctid].declares(key) and getattr(entry, key) not in _IS_SO_ANYHOW]
        if idle:
            has = "has" if len(idle) == 1 else "have"
            yield Advice(
                ctid, f"{', '.join(idle)} {has} no effect on a template, which never runs.", "Move it to clones."
            )


def advise_origins(entries: Mapping[int, ParsedEntry]) -> Iterator[Advice]:
    """Point out an OS template that is never used, because the clone goes before it."""
    for ctid, parsed in entries.items():
        if parsed.entry.clone_from_ctid is not None and parsed.declares("template"):
            problem = f"template has no effect, because of clone_from_ctid {parsed.entry.clone_from_ctid}."
            yield Advice(ctid, problem, "Remove one of these keys.")


def advise_snapshots(entries: Mapping[int, ParsedEntry]) -> Iterator[Advice]:
    """Point out snapshots that Proxmox will not take, because of bind mounts."""
    never_runs = templates(entries)
    for ctid, parsed in entries.items():
        if parsed.entry.enable_lifecycle_snapshots and parsed.entry.mount_points and ctid not in never_runs:
            problem = (
                "enable_lifecycle_snapshots has no effect: Proxmox takes no snapshot of a container with bind mounts."
            )
            yield Advice(ctid, problem, "Remove it, or declare a volume in place of mount_points.")


def advise_firewalls(entries: Mapping[int, ParsedEntry]) -> Iterator[Advice]:
    """Point out firewalls that let nobody in."""
    for ctid, parsed in entries.items():
        firewall = parsed.entry.firewall
        if firewall is None:
            continue
        rules = [rule for rule in firewall.rules or () if rule.enable]
        accepts = any(rule.group or (rule.type, rule.action) == ("in", "ACCEPT") for rule in rules)
        if firewall.enabled and not accepts and firewall.policy_in != "ACCEPT":
            problem = "firewall is enabled and no rule accepts incoming traffic, so Proxmox drops all of it."
            yield Advice(ctid, problem, 'Add rules such as {"type": "in", "action": "ACCEPT", "proto": "icmp"}.')


def advise_firewalled_interfaces(entries: Mapping[int, ParsedEntry]) -> Iterator[Advice]:
    """Point out rules for interfaces that nobody declares, and a firewall that no interface is filtered by."""
    for ctid, parsed in entries.items():
        firewall, own = parsed.entry.firewall, interfaces(parsed.entry).values()
        chain = (parsed, *(entries[source] for source in template_chain(entries, ctid)))
        most = max(len(interfaces(one.entry)) for one in chain)
        for index, rule in enumerate(firewall.rules or () if firewall is not None and most else ()):
            if rule.iface is not None and int(rule.iface.removeprefix("net")) >= most:
                problem = f"firewall.rules[{index}] is for {rule.iface}, which is not declared."
                yield Advice(ctid, problem, "Declare it in networks, or name another interface.")
        if firewall is not None and firewall.enabled and own and all(one.firewall is False for one in own):
            yield Advice(
                ctid,
                "firewall is enabled, and no interface is filtered by it.",
                'Remove "firewall": false from one of them.',
            )
