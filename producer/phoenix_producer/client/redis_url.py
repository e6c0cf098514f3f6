"""Where Redis is, and how its certificate is verified: in one URL, which redis-py, kombu and Celery read alike."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from phoenix_producer.contract import ContractError

REDIS_URL_VARIABLE = "PHOENIX_REDIS_URL"
REDIS_CA_FILE_VARIABLE = "PHOENIX_REDIS_CA_FILE"
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"

REDIS_URL_FORM = (
    "redis://[:PASSWORD@]HOST[:PORT][/DATABASE], DATABASE a number, with special characters of the password "
    "percent-encoded"
)
_DATABASE = re.compile(r"/?|/[0-9]+")
_QUERY = {
    "redis": frozenset[str](),
    "rediss": frozenset({"ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"}),
}


def usable(url: str) -> str:
    """Return a URL that redis-py and kombu read alike. Raises ContractError for any other.

    redis-py takes database 0 where the path is no number, kombu fails on it: a request would be recorded in a database
    that nobody meant, and reach its workers.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise _refusal() from None
    named = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if not parts.hostname or parts.fragment or not _DATABASE.fullmatch(parts.path) or url != url.strip():
        raise _refusal()
    if parts.scheme not in _QUERY or not named <= _QUERY[parts.scheme]:
        raise _refusal()
    return url


def verified(url: str, ca_file: str | None = None) -> str:
    """Complete a `rediss://` URL: its certificate and name are verified, by `ca_file` or by the machine's own CAs.

    What the URL itself says counts more. Celery refuses a `rediss://` URL that does not say whether it verifies.
    Raises ContractError as `usable`.
    """
    parts = urlsplit(usable(url))
    if parts.scheme != "rediss":
        return url
    asked = {"ssl_cert_reqs": "required", **({"ssl_ca_certs": ca_file} if ca_file else {})}
    return urlunsplit(parts._replace(query=urlencode(asked | dict(parse_qsl(parts.query)), safe="/")))


def _refusal() -> ContractError:
    """Say what a URL is, and quote nothing of this one: any part of it may be a part of the password."""
    return ContractError(f"Not a usable Redis URL. It reads {REDIS_URL_FORM}.")
