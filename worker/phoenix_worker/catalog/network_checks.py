"""What is refused about the interfaces of one entry, and those that it would have from its template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.catalog.findings import Refusal
from phoenix_worker.catalog.interfaces import inside_name, interfaces, macs, static_addresses
from phoenix_worker.catalog.refusals import template_chain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from phoenix_worker.catalog.entry import Entry, ParsedEntry

_MOST = 32
"""`net0` to `net31` (pve-container, `MAX_LXC_NETWORKS`)."""
_KEYS = frozenset({"network_config", "networks"})


def refuse_networks(entries: Mapping[int, ParsedEntry]) -> Iterator[Refusal]:
    """Refuse interfaces that do not go together."""
    for ctid, parsed in entries.items():
        for problem, remedy in (*_alike(parsed.entry), *_inherited(entries, parsed)):
            yield Refusal(ctid, problem, remedy)


def _alike(entry: Entry) -> Iterator[tuple[str, str]]:
    declared = interfaces(entry)
    if len(declared) > _MOST:
        yield f"It has {len(declared)} interfaces, and Proxmox takes {_MOST}.", "Remove some of networks."
    if entry.network_config is None and {"mac_address", "networks[0].mac_address"} <= macs(entry).keys():
        yield "mac_address and networks[0].mac_address are both that of net0.", "Remove mac_address."
    names = ((where, inside_name(number, one)) for number, (where, one) in enumerate(declared.items()))
    for name, first, second in _twice(names):
        yield f"{first} and {second} are both named {name} inside.", f"Write another `name` in {second}."
    for key, family in (("gw", "IPv4"), ("gw6", "IPv6")):
        gateways = [f"{where}.{key}" for where, one in declared.items() if getattr(one, key) is not None]
        if len(gateways) > 1:
            yield f"{' and '.join(gateways)} are gateways of {family}, and only one is used.", "Keep one of them."
    addresses = ((where, address) for where, one in declared.items() for address in static_addresses(one))
    for address, first, second in _twice(addresses):
        yield f"The address {address} of {second} is also that of {first}.", "Give each its own."
    for mac, first, second in _twice(macs(entry).items()):
        yield f"{second} {mac} is also that of {first}.", "Give each its own, or remove it and let Proxmox choose."


def _twice(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Return each value that is there again, where it was first, and where it is too."""
    owners: dict[str, str] = {}
    for where, value in pairs:
        if owners.setdefault(value, where) != where:
            yield value, owners[value], where


def _inherited(entries: Mapping[int, ParsedEntry], parsed: ParsedEntry) -> Iterator[tuple[str, str]]:
    """Refuse the addresses of a template's further interfaces that a clone would keep; that of `net0` is told apart."""
    kept: dict[int, tuple[int, list[str]]] = {}
    chain = template_chain(entries, parsed.ctid)
    for one in (parsed, *(entries[source] for source in chain)):
        if one.broken & _KEYS:
            return
        for number, interface in enumerate(interfaces(one.entry).values()):
            kept.setdefault(number, (one.ctid, static_addresses(interface)))
    for number, (source, addresses) in kept.items():
        for address in addresses if number and source != parsed.ctid else ():
            problem = f"It declares no net{number} and would inherit the address {address} of its template {source}."
            yield problem, "Declare it in networks with an address of its own, or with dhcp."
