"""What a rule of the firewall may say: the grammar that Proxmox holds it to once the container is made.

Proxmox refuses a rule when it is written, so what is wrong here would show after the container was made. Followed is
pve-firewall's `parse_address_list`, `parse_port_name_number_or_range`, `pve_fw_verify_protocol_spec` and `verify_rule`.
Whether an IP set or an alias exists only the node knows.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from phoenix_worker.catalog.fields import Matching, refused
from phoenix_worker.catalog.firewall_names import ICMP_TYPES, ICMPV6_TYPES, PROTOCOLS, SERVICES

_NAME = r"[A-Za-z][A-Za-z0-9_-]+"
_IP_SET = re.compile(rf"\+(dc/|guest/|sdn/)?{_NAME}")
_ALIAS = re.compile(rf"(dc/|guest/)?{_NAME}")
_SHORT_NETWORK = re.compile(
    r"(?P<address>[0-9]{1,3}(\.[0-9]{1,3}){0,3})/(?P<length>[0-9]{1,2}|0\.0\.0\.0|(128|192|2[0-9]{2})(\.[0-9]{1,3}){3})"
)
_LONGEST_NAME = 64
_MOST_COLONS = 7
_PORTS = 65535
_MOST_PORTS = 15
WITH_PORTS = frozenset({"tcp", "udp", "udplite", "sctp", "dccp", "6", "17", "136", "132", "33"})
ICMP = {"icmp": 4, "icmpv6": 6, "ipv6-icmp": 6}
"""The protocols whose `port` is a type of message, with the family of each. Their numbers have none."""


def _addresses(value: str) -> str:
    written = ",".join(_in_full(part) for part in value.split(","))
    family(written)
    return written


def _in_full(part: str) -> str:
    """Write a network of IPv4 in full that is written short or with a netmask, which to Proxmox is the same."""
    if (short := _SHORT_NETWORK.fullmatch(part)) is None:
        return part
    quads = [*short["address"].split("."), "0", "0", "0"][:4]
    address, length = ".".join(quads), short["length"]
    try:
        return f"{address}/{ipaddress.ip_network(f'{address}/{length}', strict=False).prefixlen}"
    except ValueError:
        return part


def family(text: str) -> int | None:
    """Return 4 or 6 for what addresses are of; None for the name of an IP set or an alias, which does not say so.

    Raises PydanticCustomError for what Proxmox refuses.
    """
    if text.startswith("+"):
        _named(text.removeprefix("+"), _IP_SET.fullmatch(text), "an IP set", "+office or +dc/office")
        return None
    if _ALIAS.fullmatch(text):
        _named(text, text, "an alias", "office or dc/office")
        return None
    families = {_family_of_one(part) for part in text.split(",")}
    if "," in text and "-" in text:
        raise refused("has a range in a list, which Proxmox refuses", "Write a rule of its own for the range.")
    if len(families) > 1:
        raise refused("has IPv4 and IPv6 addresses together, which Proxmox refuses", "Write a rule for each.")
    return families.pop()


def _named(name: str, right: object, what: str, example: str) -> None:
    if not right:
        raise refused(f"is not the name of {what}", f"Write one alone, such as {example}.")
    if len(name) > _LONGEST_NAME:
        raise refused(f"is longer than the name of {what} may be", f"Use at most {_LONGEST_NAME} characters.")


def _family_of_one(part: str) -> int:
    if _IP_SET.fullmatch(part) or _ALIAS.fullmatch(part):
        raise refused("has a name in a list, which Proxmox refuses", f"Write a rule of its own for {part}.")
    if "/" in part:
        return _network(part).version
    first, dash, last = part.partition("-")
    begin = _address(first)
    end = _address(last) if dash else begin
    if begin.version != end.version:
        raise refused("is a range from IPv4 to IPv6", "Write a range within one of the two.")
    if int(begin) > int(end):
        raise refused("is a backwards range", f"Write {last}-{first}.")
    return begin.version


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        found = ipaddress.ip_address(text)
    except ValueError as error:
        raise _no_address() from error
    if "%" in text:
        raise refused("has a zone, which Proxmox refuses", f"Write {text.partition('%')[0]}.")
    _no_single_zero(text, found.exploded)
    return found


def _no_single_zero(text: str, in_full: str) -> None:
    """Refuse `::` in the place of the first or the last group alone: Net::IP, which Proxmox asks, counts the colons."""
    if text.count(":") > _MOST_COLONS:
        raise refused("has :: in the place of one group, which Proxmox refuses there", f"Write {in_full}.")


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if re.fullmatch(r"[0-9A-Fa-f.:]+/(0|[1-9][0-9]{0,2})", text) is None:
        raise _no_address()
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise _no_address() from error
    if ipaddress.ip_address(text.partition("/")[0]) != network.network_address:
        remedy = f"Write {network} for the network, or the address alone for one host."
        raise refused("has host bits, which Proxmox refuses in a network", remedy)
    _no_single_zero(text, network.exploded)
    return network


def _no_address() -> Exception:
    remedy = "Write addresses, networks such as 10.0.0.0/24, one range, or the name of one alias or IP set."
    return refused("is not an address for a firewall rule", remedy)


def numbered_ports(value: Any) -> str:
    """Read ports, by number or by name. Raises PydanticCustomError for what Proxmox refuses."""
    return _ports(value, SERVICES)


def _ports_or_types(value: Any) -> str:
    return _ports(value, SERVICES | ICMP_TYPES | ICMPV6_TYPES)


def _ports(value: Any, names: frozenset[str]) -> str:
    text = "".join(str(value).split()) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    numbers = 0
    for part in text.split(","):
        first, colon, last = part.partition(":")
        if colon:
            _forward(_port(first), _port(last))
        elif part.isascii() and part.isdecimal():
            _port(part)
        elif part not in names:
            raise _no_port(part)
        numbers += 2 if colon else part.isdecimal()
    if numbers > _MOST_PORTS:
        raise refused(
            f"has more than {_MOST_PORTS} ports, a range counting as two, which Proxmox refuses",
            "Write several rules.",
        )
    return text


def _port(text: str) -> int:
    number = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
    if number is None:
        raise _no_port(text)
    if number > _PORTS:
        raise refused("is not a port", f"Write a number from 0 to {_PORTS}.")
    return number


def _forward(first: int, last: int) -> None:
    if first > last:
        raise refused("is a backwards range", f"Write {last}:{first}.")


def _no_port(text: str) -> Exception:
    forms = "a number, a list such as 80,443, a range such as 8000:8010, or a name of Debian's /etc/services"
    if re.fullmatch(r"[A-Za-z][\w-]*", text):
        return refused(f"has the name {text}, which is none of a port that Proxmox knows", f"Write {forms}.")
    return refused("is not a port", f"Write {forms}.")


def _protocol(value: str) -> str:
    name = value.lower()
    if name not in PROTOCOLS.keys() | set(PROTOCOLS.values()) | {"icmpv6"}:
        remedy = "Write a name or a number of Debian's /etc/protocols, such as tcp, udp, icmp or icmpv6."
        raise refused("is not a protocol that Proxmox knows", remedy)
    # To Proxmox "0" is as good as none, so it would never be there when the rules are compared.
    return "ip" if name == "0" else name


def check_rule(proto: str | None, source: str | None, dest: str | None, port: str | None) -> None:
    """Refuse what does not go together in one rule. Raises PydanticCustomError."""
    _one_family(proto, source, dest)
    if port is None:
        return
    if proto is None:
        raise refused("has a port and no protocol, which Proxmox refuses", _OTHER_PROTOCOL)
    if proto not in WITH_PORTS | ICMP.keys():
        named = _ICMP_NUMBERS.get(proto)
        remedy = f'Declare "proto": "{named}", whose port is a type.' if named else _OTHER_PROTOCOL
        raise refused(f'has a port, and the protocol "{proto}" has none, which Proxmox refuses', remedy)
    types = [part for part in port.split(",") if part in ICMP_TYPES | ICMPV6_TYPES]
    if types and proto not in ICMP:
        raise refused(f"has the ICMP type {types[0]} as a port", 'Declare "proto": "icmp", or a port.')
    if types and re.search(r"(^|[,:])[0-9]", port):
        raise refused("has ICMP types by name and by number in one list, which Proxmox refuses", "Write them alike.")


_OTHER_PROTOCOL = 'Declare "proto": "tcp" or "udp", or no port.'
_ICMP_NUMBERS = {"1": "icmp", "58": "icmpv6"}


def _one_family(proto: str | None, source: str | None, dest: str | None) -> None:
    of = {"proto": ICMP.get(proto or ""), "source": source and family(source), "dest": dest and family(dest)}
    found = {key: one for key, one in of.items() if one}
    if len(set(found.values())) > 1:
        what = " and ".join(f"IPv{version} in {key}" for key, version in found.items())
        raise refused(f"has {what}, which Proxmox refuses in one rule", "Write a rule for each.")


PORTS_SCHEMA = {"type": ["string", "integer"], "minimum": 0, "maximum": _PORTS}
FirewallAddresses = Annotated[str, Field(max_length=512), AfterValidator(_addresses)]
FirewallPorts = Annotated[
    str,
    BeforeValidator(_ports_or_types),
    WithJsonSchema(PORTS_SCHEMA),
]
Protocol = Annotated[
    str, Matching(r"[A-Za-z0-9.-]+", "a protocol", "Write it like tcp, udp or icmp."), AfterValidator(_protocol)
]
_NO_COMMENT = frozenset({"0", "-"})


def _kept(comment: str) -> str:
    # Proxmox would take it and write the rule without it, which would be changed for ever.
    if comment in _NO_COMMENT:
        raise refused(f"is {comment}, which Proxmox drops", "Write it in words, or none.")
    return comment


Comment = Annotated[
    str,
    AfterValidator(str.strip),
    Matching(r"[^\x00-\x08\x0a-\x1f]*", "a comment of one line", "Write it on one line."),
    AfterValidator(_kept),
]
