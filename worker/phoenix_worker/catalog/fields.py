"""The types of single values in the catalog: what Proxmox accepts, in the spelling that Proxmox uses.

Each check says what a value is not, as the predicate of a sentence that `entry.py` begins with key and value.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from phoenix_producer.ctids import parse_ctid

_INTERFACE = r"[A-Za-z][A-Za-z0-9_]{1,20}([:.][0-9]+)?"
"""The name of an interface behind a `%` (`pve_verify_iface`)."""
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MARKER = re.compile(r"(\W|\d|<[^<>]*>)*phoenix-lxc(:|%3a).*\bctid=", re.IGNORECASE)
_MULTICAST = 1
_POINT_TO_POINT = 31
_SHORTEST_PREFIX = 8
"""Proxmox refuses shorter ones (`pve_verify_cidrv4`, `pve_verify_cidrv6`)."""
_MANUAL = "manual"


def refused(predicate: str, remedy: str) -> PydanticCustomError:
    """Make the error for a value: what it is not, and what to do."""
    return PydanticCustomError("catalog", "{predicate}", {"predicate": predicate, "remedy": remedy})


def _ctid(value: Any) -> int:
    number = parse_ctid(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if number is None:
        raise refused("is not a CTID", "Write a number from 100 to 999999999.")
    return number


class Matching:
    """A pattern that the whole of a string matches. Editors learn it from the schema."""

    def __init__(self, pattern: str, what: str, remedy: str) -> None:
        self._pattern, self._compiled = pattern, re.compile(pattern, re.ASCII)
        self._what, self._remedy = what, remedy

    def _check(self, value: str) -> str:
        if self._compiled.fullmatch(value) is None:
            raise refused(f"is not {self._what}", self._remedy)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema) | {"pattern": f"^({self._pattern})$"}


def _mac(value: str) -> str:
    if re.fullmatch(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", value) is None:
        raise refused("is not a MAC address", "Write six pairs of hex digits with colons, such as 52:54:00:AA:BB:CC.")
    if int(value[:2], 16) & _MULTICAST:
        raise refused("is a multicast MAC address", "Make its second digit even, as in 52:54:00:AA:BB:CC.")
    return value.upper()


def _refuse_zone(value: str) -> None:
    if "%" in value:
        zone = value.partition("%")[2].partition("/")[0]
        raise refused("has a zone, which Proxmox refuses", f"Leave out %{zone}.")


def _address(value: str, family: type[ipaddress.IPv4Interface | ipaddress.IPv6Interface], example: str) -> str:
    try:
        interface = family(value)
    except ValueError as error:
        raise refused("is not an address in CIDR form", f"Write it like {example}.") from error
    if not value.partition("/")[2].isdecimal():
        raise refused("has no prefix length", f"Write it like {example}.")
    _refuse_zone(value)
    if interface.network.prefixlen < _SHORTEST_PREFIX:
        problem = f"has a prefix shorter than /{_SHORTEST_PREFIX}, which Proxmox refuses"
        raise refused(problem, f"Write that of its network, as in {example}.")
    _refuse_network_itself(interface)
    return str(interface)


def _refuse_network_itself(interface: ipaddress.IPv4Interface | ipaddress.IPv6Interface) -> None:
    network = interface.network
    if network.version == 4 and network.prefixlen < _POINT_TO_POINT:  # noqa: PLR2004 - the IP version reads as itself
        reserved = (network.network_address, network.broadcast_address)
        if interface.ip in reserved:
            raise refused(f"is not a host's address in {network}", "Write the address of one host.")


def _ip(value: str) -> str:
    return value if value in ("dhcp", _MANUAL) else _address(value, ipaddress.IPv4Interface, "10.0.0.5/24, or dhcp")


def _ip6(value: str) -> str:
    named = value in ("dhcp", "auto", _MANUAL)
    return value if named else _address(value, ipaddress.IPv6Interface, "fd00::5/64, dhcp or auto")


def _host(value: str) -> str:
    try:
        found = ipaddress.ip_address(value)
    except ValueError as error:
        raise refused("is not an IP address", "Write one address without a prefix length.") from error
    _refuse_zone(value)
    return str(found)


def _name_server(value: str) -> str:
    """Check one, which alone may have a zone: an interface of the container, where it is link-local."""
    host, zone, interface = value.partition("%")
    of_link = zone and re.fullmatch(r"[Ff][Ee]80:.*", host) and re.fullmatch(_INTERFACE, interface, re.ASCII)
    return f"{_host(host)}%{interface}" if of_link else _host(value)


def split(value: Any) -> Any:
    """Split one string with commas, semicolons or blanks into a list, as Proxmox does."""
    return [word for word in re.split(r"[,;\s]+", value) if word] if isinstance(value, str) else value


def os_template(value: str) -> str:
    """Check the volume id of an OS template, or a path to one."""
    volume = re.fullmatch(r"[A-Za-z][\w.-]*[A-Za-z0-9]:vztmpl/([^/]+)", value, re.ASCII)
    name = volume[1] if volume else value.rsplit("/", 1)[-1]
    # Any name without a slash that Proxmox lists (pve-storage, `VZTMPL_EXT_RE_1`).
    archive = re.fullmatch(r"[^/\x00-\x1f\x7f]+\.tar(\.(gz|xz|zst|bz2))?", name, re.IGNORECASE)
    if archive is None or (volume is None and ":" in value):
        raise refused("is not an OS template", "Write local:vztmpl/NAME.tar.zst, or the path of such an archive.")
    return value


def _gpus(value: str) -> str:
    indices = [part.strip() for part in value.split(",")]
    if value != "none" and not all(re.fullmatch(r"[0-9]{1,2}", index) for index in indices):
        raise refused("is not a GPU assignment", 'Write "none", "0" or "0,1".')
    return ",".join(indices)


def parse_lxc_option(line: str) -> tuple[str, str]:
    """Split a raw line written `key=value`, `key: value` or `key:value`; raises PydanticCustomError for others.

    Only `lxc.cap.drop` may have no value: it clears the list that Proxmox begins with.
    """
    found = re.fullmatch(r"(lxc\.[\w.-]+)\s*[=:]\s*([^\x00-\x1f]*?)\s*", line, re.ASCII)
    if found is None or not (found[2] or found[1] == "lxc.cap.drop"):
        raise refused("is not a raw lxc line", "Write it like lxc.apparmor.profile=unconfined.")
    return found[1], found[2]


def _lxc_option(line: str) -> str:
    parse_lxc_option(line)
    return line


def _below_root(value: str) -> str:
    parts = [part for part in value.split("/") if part]
    if not parts or {".", ".."} & set(parts):
        raise refused("is not a place for a mount", "Write a directory of the container, such as /srv/data.")
    return "/" + "/".join(parts)


def ascii_only(value: str) -> str:
    """Refuse what Proxmox writes into its configuration in another encoding than it was sent in."""
    if not value.isascii():
        wrong = next(letter for letter in value if not letter.isascii())
        raise refused(f"has {wrong}, which Proxmox does not write down as it is", "Use ASCII characters.")
    return value


def _no_blank_at_end(value: str) -> str:
    if value.rstrip("/").endswith(" "):
        raise refused("ends in a blank, which is lost where Proxmox writes it down", "Remove it, or rename it.")
    return value


def _host_path(value: str) -> str:
    if "=" in value:
        problem = "has a =, before which Proxmox would read the name of an option"
        raise refused(problem, "Rename the directory, or mount one above it.")
    if value.startswith("/dev/"):
        problem = "is a device for Proxmox, not a directory"
        raise refused(problem, "Write it in devices; or mount its file system on the node, and name that directory.")
    return value


def _description(value: str) -> str:
    if any(map(_MARKER.match, value.splitlines())):
        raise refused("has a line that begins as our own marker does", "Word that line differently.")
    return value


CtidField = Annotated[
    int,
    BeforeValidator(_ctid),
    WithJsonSchema(
        {"type": ["integer", "string"], "minimum": 100, "maximum": 999999999, "pattern": "^[1-9][0-9]{2,8}$"}
    ),
]
_A_DNS_NAME = Matching(rf"{_LABEL}(\.{_LABEL})*", "a DNS name", "Use letters, digits, dots and hyphens, no underscore.")
DnsName = Annotated[str, Field(max_length=253), _A_DNS_NAME]
HostName = Annotated[str, Field(max_length=64), _A_DNS_NAME]
"""Proxmox takes longer ones, and Linux does not (`sethostname`): such a container never starts."""
NodeName = Annotated[str, Matching(_LABEL, "the name of a node", "Use letters, digits and hyphens.")]
StorageId = Annotated[
    str,
    Matching(r"[A-Za-z][\w.-]*[A-Za-z0-9]", "the id of a storage", "Write it as Proxmox lists it, such as local-lvm."),
]
PoolName = Annotated[
    str,
    Matching(r"[\w.-]+(/[\w.-]+){0,2}", "the name of a pool", "Use letters, digits, dots, hyphens and underscores."),
]
InterfaceName = Annotated[
    str, Matching(r"[\w.-]{1,15}", "the name of an interface", "Use at most 15 letters, digits, dots and hyphens.")
]
Tag = Annotated[
    str,
    Matching(r"[A-Za-z0-9_][A-Za-z0-9_+.-]*", "a tag", "Use letters, digits, _, -, + and dots."),
]
ScriptName = Annotated[
    str, Matching(r"[\w+-][\w.+-]*", "the name of a feature", "Use letters, digits, dots, hyphens and underscores.")
]
PathText = Annotated[str, Matching(r"[^\x00-\x1f]+", "a file name", "Remove the control characters.")]
AbsolutePath = Annotated[
    str,
    Matching(
        r"(?!.*/\.{1,2}(/|$))/[^\x00-\x1f,]*",
        "an absolute path",
        "Begin it with / and use neither . nor .. in it, nor a comma, which Proxmox cannot read.",
    ),
]
_WrittenPath = Annotated[AbsolutePath, AfterValidator(ascii_only), AfterValidator(_no_blank_at_end)]
HostPath = Annotated[_WrittenPath, AfterValidator(_host_path)]
MountPath = Annotated[_WrittenPath, AfterValidator(_below_root)]
Mac = Annotated[str, AfterValidator(_mac)]
Ip = Annotated[str, AfterValidator(_ip)]
Ip6 = Annotated[str, AfterValidator(_ip6)]
Host = Annotated[str, AfterValidator(_host)]
NameServers = Annotated[
    list[Annotated[str, AfterValidator(_name_server)]],
    BeforeValidator(split),
    WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}}),
]
Gpus = Annotated[str, AfterValidator(_gpus)]
PctOption = Annotated[
    str,
    Matching(
        r"(nesting|keyctl|fuse|mknod|force_rw_sys)=[01]|mount=[\w; ]+",
        "a feature of Proxmox",
        "Write nesting=1, keyctl=1, fuse=1, mknod=1, force_rw_sys=1 or mount=TYPES.",
    ),
]
LxcOption = Annotated[str, AfterValidator(_lxc_option)]
IdMap = Annotated[str, Matching(r"[ug]( [0-9]+){3}", "an id map", "Write it like u 0 100000 65536.")]
Profile = Annotated[
    str,
    Matching(r"[^\s\x00-\x1f=]+", "the name of an AppArmor profile", "Write its name alone, such as unconfined."),
]
Description = Annotated[str, Field(max_length=8000), AfterValidator(_description)]
