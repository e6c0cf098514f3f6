"""What the values of settings must be: each check returns the value, or raises ValueError with what is wrong."""

from __future__ import annotations

import re
import ssl
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from phoenix_producer.client.redis_url import usable
from phoenix_producer.client.regular_files import read_regular
from phoenix_producer.ctids import FIRST_CTID, LAST_CTID
from phoenix_producer.plain_text import plain_line
from phoenix_worker.catalog.nodes import ANY_NODE
from phoenix_worker.proxmox.api_hosts import PORT

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

_QUOTES = ("'", '"')
_ADDRESS = re.compile(r"(?P<node>[\w.-]+)=(?:\[(?P<ip6>[\da-fA-F:.]+)\]|(?P<host>[\w.-]+))(?::(?P<port>\d{1,5}))?")
_HOST = re.compile(
    r"(?:\[(?P<bracketed>[\da-fA-F:.]+(?:%[\w.-]+)?)\]|(?P<name>\w(?:[\w-]*\w)?(?:\.\w(?:[\w-]*\w)?)*\.?))(?::(?P<port>\d{1,5}))?"
    r"|(?P<ip6>[\da-fA-F]*:[\da-fA-F]*:[\da-fA-F:.]*(?:%[\w.-]+)?)"
)
_LAST_PORT = 65535
_MOST_BYTES = 16 * 1024 * 1024
_SHOWN = 200


def redis_url(value: SecretStr) -> SecretStr:
    """Refuse what no Redis client can use."""
    usable(value.get_secret_value())
    return value


def hosts(value: str) -> str:
    """Refuse an address with scheme or path, among several with commas too, and the same one twice."""
    if "/" in value:
        raise ValueError("must be a name or address without https:// and path, with or without a port.")
    several = [one.strip() for one in filled(value).split(",")]
    asked = []
    for one in several:
        found = _HOST.fullmatch(filled(one) if one else one)
        if found is None or not 0 < int(found["port"] or 1) <= _LAST_PORT:
            raise ValueError(
                "is not a name or address, with or without a port, such as pve1.example:8006; "
                "several are separated by single commas."
            )
        host = found["bracketed"] or found["name"] or found["ip6"]
        asked.append((host.lower().rstrip("."), int(found["port"] or PORT)))
    twice, times = Counter(asked).most_common(1)[0]
    if times > 1:
        raise ValueError(f"names the same address twice: {several[asked.index(twice)]}.")
    return ",".join(several)


def user(value: str) -> str:
    """Refuse a name without its realm, and one with the token in it."""
    if "!" in value:
        raise ValueError("must be only the token's owner: put what follows the ! into PHOENIX_PROXMOX_TOKEN_NAME.")
    if "@" not in value:
        raise ValueError("lacks its realm, as in phoenix@pve.")
    return filled(value)


def secret(value: SecretStr) -> SecretStr:
    """Refuse what cannot be sent in a header."""
    text = _given(value.get_secret_value())
    _refuse_quotes(text)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("has characters that a secret cannot have, such as a space or a line break.")
    return value


def fingerprints(value: str | None) -> str | None:
    """Refuse what is no SHA-256 fingerprint, or several with commas."""
    several = [one.strip() for one in value.split(",")] if value is not None else []
    if not all(re.fullmatch(r"([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}", one) for one in several):
        raise ValueError("is not a SHA-256 fingerprint: 32 pairs of hexadecimal digits, with colons or without.")
    return ",".join(several) or None


def pin_each(several: str, pins: str | None) -> None:
    """Refuse fingerprints that are not one for each host."""
    wanted, there = several.count(",") + 1, (pins or "").count(",") + 1
    if pins is not None and wanted != there:
        raise ValueError(
            f"PHOENIX_PROXMOX_FINGERPRINT has {there} for {wanted} in PHOENIX_PROXMOX_HOST: name one for each."
        )


def ca_file(value: Path | None) -> Path | None:
    """Read the CA of Proxmox's certificate."""
    remedy = "Copy /etc/pve/pve-root-ca.pem of a Proxmox node there"
    return None if value is None else _certificate(value, remedy)


def redis_ca_file(value: Path | None) -> Path | None:
    """Read the CA of Redis's certificate."""
    return None if value is None else _certificate(value, "Copy the CA of the Redis server's certificate there")


def _certificate(value: Path, remedy: str) -> Path:
    """Read it, as each connection would: whatever is wrong is found before a request fails of it."""
    remedy = f"{remedy}, or leave it unset if the machine's own CAs will do."
    _read(value, remedy)
    try:
        found = ssl.create_default_context(cafile=value).cert_store_stats()["x509"]
    except ssl.SSLError:
        found = 0
    if not found:
        raise ValueError(f"holds no PEM certificate ({_named(value)}). {remedy}")
    return value


def nodes(value: str) -> str:
    """Refuse what cannot be the name of a node, among several with commas too, and the same one twice."""
    several = [one.strip() for one in value.split(",")]
    if not all(re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", one) for one in several):
        raise ValueError("is not the name of a node: letters, digits and hyphens; several are separated by commas.")
    twice, times = Counter(several).most_common(1)[0]
    if times > 1:
        raise ValueError(f"names the same node twice: {twice}.")
    if any(one != ANY_NODE and one.lower() == ANY_NODE for one in several):
        raise ValueError(f"means every node only in lower case: write {ANY_NODE}.")
    if ANY_NODE in several and len(several) > 1:
        raise ValueError(f"has {ANY_NODE} beside names: it stands for every node.")
    return ",".join(several)


def named_nodes(value: str) -> tuple[str, ...]:
    """Name the nodes of what declares none; none where any will do."""
    return tuple(node for node in value.split(",") if node != ANY_NODE)


Nodes = Annotated[
    str,
    AfterValidator(nodes),
    Field(
        description="Node of containers that declare none; of several with commas, or `any`, one is chosen for each."
    ),
]


def one_node(shell: str | None, node: str) -> None:
    """Refuse to run commands on the worker's own node where it is not said which one that is."""
    if shell == "local" and (node == ANY_NODE or "," in node):
        raise ValueError("PHOENIX_SHELL=local needs the one node that the worker runs on in PHOENIX_NODE.")


def storage(value: str) -> str:
    """Refuse what cannot be the id of a storage."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]", value):
        raise ValueError("is not the id of a storage, as Proxmox lists it.")
    return value


def script_pattern(value: str) -> str:
    """Refuse a pattern without a place for the name."""
    if "{feature}" not in value:
        raise ValueError("does not say where the feature's name goes: write {feature} there.")
    return value


def application_pattern(value: str) -> str:
    """Refuse a pattern without a place for what the catalog names."""
    if "{script}" not in value:
        raise ValueError("does not say where the script's name goes: write {script} there.")
    return value


def readable(value: Path | None) -> Path | None:
    """Refuse a file that cannot be read."""
    if value is not None:
        _read(value)
    return value


def _read(path: Path, remedy: str = "") -> None:
    try:
        read_regular(path, _MOST_BYTES)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"cannot be read ({_named(path)}: {why}). {remedy}".rstrip()) from error


def _named(path: Path) -> str:
    """Return what can be shown of a path; pydantic takes no message with half a character in it."""
    shown = plain_line(str(path))
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def addresses(value: Any) -> Any:
    """Read `node=host` and `node=host:port`, separated by commas; an IPv6 address with a port is in brackets.

    Raises ValueError.
    """
    if not isinstance(value, str):
        return value
    found = (_ADDRESS.fullmatch(part.strip()) for part in value.split(",") if part.strip())
    read = {one["node"]: (one["ip6"] or one["host"], int(one["port"] or 22)) for one in found if one}
    wrong = any(not 0 < port <= _LAST_PORT for _, port in read.values())
    if wrong or len(read) < sum(bool(part.strip()) for part in value.split(",")):
        raise ValueError("is not a list such as pve1=10.0.0.11,pve2=[fd00::12]:2222, each node once.")
    return read


def ctids(value: str | None) -> str | None:
    """Refuse what is no range of CTIDs."""
    ctids_of(value)
    return value


def ctids_of(value: str | None) -> range | None:
    """Read `first-last`; None where nothing is set. Raises ValueError for anything else."""
    if value is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{2,8})-([1-9][0-9]{2,8})", value)
    first, last = map(int, found.groups()) if found else (1, 0)
    if last < first:
        raise ValueError(f"is not a range of CTIDs from {FIRST_CTID} to {LAST_CTID}, such as 9000-9099.")
    return range(first, last + 1)


def apart(name: str, value: str | None, other: str, others: str | None) -> None:
    """Refuse two ranges of CTIDs that have some in common."""
    mine, theirs = ctids_of(value), ctids_of(others)
    if mine and theirs and mine[0] <= theirs[-1] and theirs[0] <= mine[-1]:
        raise ValueError(f"{name} ({value}) and {other} ({others}) overlap. Choose ranges apart from each other.")


def listening(value: str | None) -> str | None:
    """Refuse what is no address with a port."""
    found = re.fullmatch(r"(?:\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})", value or "")
    if value is not None and (found is None or int(found[1]) > _LAST_PORT):
        raise ValueError("must be an address to listen on, with its port, such as 127.0.0.1:9464.")
    return value


def webhook_url(value: str | None) -> str | None:
    """Refuse what no webhook can be sent to."""
    if value is not None and not (re.fullmatch(r"https?://[^/\s]+(/\S*)?", value) and _can_be_split(value)):
        raise ValueError("is not a URL such as https://hooks.example/phoenix.")
    return value


def _can_be_split(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def plain(value: Any) -> Any:
    """Take away the blanks and line breaks around a value, such as those of a file from Windows; refuse quotes."""
    if not isinstance(value, str) or not value.strip():
        return value
    _refuse_quotes(value.strip())
    return value.strip()


def _refuse_quotes(text: str) -> None:
    if text[0] == text[-1] and text[0] in _QUOTES:
        raise ValueError("is in quotes, which Docker keeps from an env file: remove them.")


def filled(value: str) -> str:
    """Refuse nothing at all, and what nobody types."""
    if not _given(value).strip().isprintable():
        raise ValueError("has characters that cannot be shown, such as a line break or a byte that is not UTF-8.")
    return value


def _given(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty.")
    return value


def encodable(value: SecretStr | None) -> SecretStr | None:
    """Refuse a password that cannot be sent; any other may have any characters."""
    try:
        if value is not None:
            value.get_secret_value().encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("has bytes that are not UTF-8.") from None
    return value
