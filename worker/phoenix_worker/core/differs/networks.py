"""The interfaces of a container, `net0` to `net31`: what each should be, and what of it a running one takes later.

What is not declared of an interface stays as it is, its MAC first of all: Proxmox makes a new one for a value without.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phoenix_worker.core.model import property_string

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phoenix_worker.catalog.declaration import Declaration, Network

KEY = re.compile(r"net(\d{1,2})")
_ADDRESS_AND_GATEWAY = (("ip", "gw"), ("ip6", "gw6"))
_NOT_STATIC = frozenset({"dhcp", "auto", "manual"})
_HOST_MANAGED = "host-managed"
_FLAGS = ("firewall", "link_down", _HOST_MANAGED)
_PLUGS_ANEW = frozenset({"bridge", "tag", "firewall", "link_down", "name", "hwaddr"})
"""What a running container's interface is plugged in again for, with its trunks (pve-container, `update_net`)."""


def keys(config: Mapping[str, str]) -> list[str]:
    """List the interfaces of a configuration in their order."""
    return sorted((key for key in config if KEY.fullmatch(key)), key=lambda key: int(key.removeprefix("net")))


def wanted(declaration: Declaration, present: Mapping[str, str], *, fresh: bool) -> dict[str, str]:
    """Return the property string of each interface that is declared, or inherited by a `fresh` clone.

    Empty for one that there is not enough known of to speak of it.
    """
    declared = {f"net{number}": one for number, one in enumerate(declaration.networks)}
    names = dict.fromkeys(("net0", *declared, *(keys(present) if fresh else ())))
    return {
        key: _interface(_declared(declaration, key, declared.get(key)), present.get(key, ""), fresh=fresh)
        for key in names
    }


def same(wanted: str, present: str) -> bool:
    """Compare two property strings: trunks have no order, and a rate is a number."""
    return _canonical(wanted) == _canonical(present)


def at_next_start(put: Mapping[str, str], present: Mapping[str, str]) -> Iterator[str]:
    """Name the interfaces that a running container takes not all of at once, although Proxmox shows nothing pending.

    The largest packet is set when the container starts, and so are the addresses that its node gives it from now on;
    trunks when its interface is plugged in.
    """
    for key in keys(put):
        old, new = _canonical(present.get(key, "")), _canonical(put[key])
        changed = {part for part in old | new if old.get(part) != new.get(part)}
        set_at_start = {"mtu", _HOST_MANAGED} if old else {"mtu"}
        if changed & set_at_start or ("trunks" in changed and not changed & _PLUGS_ANEW):
            yield key


def _canonical(value: str) -> dict[str, object]:
    parts: dict[str, object] = dict(property_string.parse(value))
    if "trunks" in parts:
        parts["trunks"] = sorted(str(parts["trunks"]).split(";"), key=lambda vlan: (len(vlan), vlan))
    if re.fullmatch(r"\d+(\.\d+)?", str(parts.get("rate"))):
        parts["rate"] = float(str(parts["rate"]))
    return parts


def _declared(declaration: Declaration, key: str, network: Network | None) -> dict[str, str]:
    """Return the declared parts of an interface. The container's firewall is for `net0` and all that are declared."""
    parts = {} if network is None else _parts(network)
    of_its_own = None if network is None else network.mac
    mac = declaration.mac if key == "net0" else of_its_own
    if mac is not None:
        parts["hwaddr"] = mac.upper()
    if "firewall" not in parts and declaration.firewall is not None and (network is not None or key == "net0"):
        parts["firewall"] = str(int(declaration.firewall.enabled))
    return parts


def _parts(network: Network) -> dict[str, str]:
    parts = {
        "name": network.name,
        "bridge": network.bridge,
        "ip": network.ip,
        "gw": network.gw,
        "ip6": network.ip6,
        "gw6": network.gw6,
        "tag": network.vlan,
        "trunks": ";".join(map(str, network.trunks)) or None,
        "mtu": network.mtu,
        "rate": None if network.rate is None else f"{network.rate:.3f}".rstrip("0").rstrip("."),
        "firewall": None if network.firewall is None else int(network.firewall),
        "link_down": None if network.link_down is None else int(network.link_down),
        _HOST_MANAGED: None if network.host_managed is None else int(network.host_managed),
    }
    return {part: str(value) for part, value in parts.items() if value is not None}


def _interface(declared: dict[str, str], present: str, *, fresh: bool) -> str:
    """Return the property string; empty when there is no interface to speak of. A flag off is as good as none.

    But for a new one whose addresses the node shall not give: without a word Proxmox gives them to OCI images.
    """
    old = property_string.parse(present)
    declared = {
        part: value
        for part, value in declared.items()
        if part not in _FLAGS or value != "0" or old.get(part, "0") != "0" or (part == _HOST_MANAGED and not old)
    }
    if not (declared.keys() | old.keys()) >= {"name", "bridge"}:
        return ""
    new = old | declared | {"type": "veth"}
    for address, gateway in _ADDRESS_AND_GATEWAY:
        inherited = fresh and address not in declared and old.get(address) not in _NOT_STATIC
        if inherited:
            new.pop(address, None)
        if gateway not in declared and new.get(address) != old.get(address):
            new.pop(gateway, None)
    return property_string.render(new, "name")
