"""Where Redis is, how its certificate is verified, and who names its master: all of it in one URL.

    redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]                     rediss://… over TLS
    sentinel://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]/MASTER[/DATABASE]   sentinels://… over TLS

The first two are read alike by redis-py, kombu and Celery. They have no common form for Sentinel, so `connection` turns
the others into what each of them takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from phoenix_producer.contract import ContractError

REDIS_URL_VARIABLE = "PHOENIX_REDIS_URL"
REDIS_CA_FILE_VARIABLE = "PHOENIX_REDIS_CA_FILE"
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"

REDIS_URL_FORM = (
    "redis://[:PASSWORD@]HOST[:PORT][/DATABASE] or sentinel://[:PASSWORD@]HOST[:PORT][,HOST…]/MASTER[/DATABASE], "
    "rediss:// or sentinels:// over TLS, DATABASE a number, with special characters of the password percent-encoded"
)
_PORT = {"redis": 6379, "rediss": 6379, "sentinel": 26379, "sentinels": 26379}
_TLS = frozenset({"ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"})
_LOGIN = frozenset({"sentinel_username", "sentinel_password"})
_QUERY = {"redis": frozenset[str](), "rediss": _TLS, "sentinel": _LOGIN, "sentinels": _TLS | _LOGIN}
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[^\[\]:,;@/?#\s]+)(?::(?P<port>[0-9]{1,5}))?")
_QUOTES = ("'", '"')
_DATABASE = re.compile(r"/?|/[0-9]+")
_MASTER = re.compile(r"/(?P<master>[A-Za-z0-9._-]+)(?:/(?P<database>[0-9]+))?/?")


@dataclass(frozen=True, slots=True)
class RedisPlace:
    """What a URL says."""

    scheme: str
    hosts: tuple[tuple[str, int], ...]
    """Of Redis itself, or of its Sentinels."""
    database: int
    username: str | None
    password: str | None = field(repr=False)
    master: str | None = None
    """The name under which Sentinels know it; None where the host is Redis itself."""
    options: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_encrypted(self) -> bool:
        """Whether it is reached over TLS."""
        return self.scheme in ("rediss", "sentinels")

    def addresses(self) -> list[str]:
        """Return each host as it stands in a URL, with its port."""
        return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts]

    def tls(self) -> dict[str, str]:
        """Return how certificates are verified, as redis-py names it."""
        return {name: value for name, value in self.options.items() if name in _TLS}

    def secrets(self) -> list[str]:
        """Return the passwords in it."""
        return [text for text in (self.password, self.options.get("sentinel_password")) if text]

    def shown(self) -> str:
        """Return the URL with its password masked, and without options."""
        mask = ":**" if self.password is not None else ""
        user = f"{quote(self.username or '', safe='')}{mask}@" if self.username or mask else ""
        master = f"/{self.master}" if self.master else ""
        return f"{self.scheme}://{user}{','.join(self.addresses())}{master}/{self.database}"


def place_of(url: str) -> RedisPlace:
    """Read a URL. Raises ContractError for one that is not of the forms above.

    redis-py takes database 0 where the path is no number, kombu fails on it: a request would be recorded in a database
    that nobody meant, and reach its workers.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _refusal(url) from None
    named = dict(parse_qsl(parts.query, keep_blank_values=True))
    login, _, hosts = parts.netloc.rpartition("@")
    is_sentinel = parts.scheme in ("sentinel", "sentinels")
    path = (_MASTER if is_sentinel else _DATABASE).fullmatch(parts.path)
    found = [_HOST.fullmatch(host) for host in (hosts.split(",") if is_sentinel else [hosts])]
    if parts.scheme not in _QUERY or not named.keys() <= _QUERY[parts.scheme] or parts.fragment or url != url.strip():
        raise _refusal(url)
    if path is None or not all(found):
        raise _refusal(url)
    places = tuple((one["host"].strip("[]"), int(one["port"] or _PORT[parts.scheme])) for one in found if one)
    if any(not 0 < port < 2**16 for _, port in places):
        raise _refusal(url)
    username, has_password, password = login.partition(":")
    database = path["database"] if is_sentinel else parts.path.strip("/")
    return RedisPlace(
        scheme=parts.scheme,
        hosts=places,
        database=int(database or 0),
        username=unquote(username) or None,
        password=unquote(password) if has_password else None,
        master=path["master"] if is_sentinel else None,
        options=named,
    )


def usable(url: str) -> str:
    """Return a URL that is of the forms above. Raises ContractError for any other."""
    place_of(url)
    return url


def verified(url: str, ca_file: str | None = None) -> str:
    """Complete a URL with TLS: its certificate and name are verified, by `ca_file` or by the machine's own CAs.

    What the URL itself says counts more. Celery refuses a `rediss://` URL that does not say whether it verifies.
    Raises ContractError as `usable`.
    """
    place = place_of(url)
    if not place.is_encrypted:
        return url
    asked = {"ssl_cert_reqs": "required", **({"ssl_ca_certs": ca_file} if ca_file else {})}
    return urlunsplit(urlsplit(url)._replace(query=urlencode(asked | place.options, safe="/")))


def _refusal(url: str) -> ContractError:
    """Say what a URL is, and quote nothing of this one: any part of it may be a part of the password."""
    around = ""
    if url != url.strip():
        around = " Remove the blanks or the line break around it."
    elif url[:1] == url[-1:] and url[:1] in _QUOTES:
        around = " Remove the quotes around it: Docker keeps those of an env file."
    return ContractError(f"Not a usable Redis URL. It must have the form {REDIS_URL_FORM}.{around}")
