"""Where Redis is, and how its certificate is verified: in one URL, which redis-py, kombu and Celery read alike."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

REDIS_URL_VARIABLE = "PHOENIX_REDIS_URL"
REDIS_CA_FILE_VARIABLE = "PHOENIX_REDIS_CA_FILE"
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"


def verified(url: str, ca_file: str | None = None) -> str:
    """Complete a `rediss://` URL: its certificate and name are verified, by `ca_file` or by the machine's own CAs.

    What the URL itself says counts more. Celery refuses a `rediss://` URL that does not say whether it verifies.
    """
    parts = urlsplit(url)
    if parts.scheme != "rediss":
        return url
    asked = {"ssl_cert_reqs": "required", **({"ssl_ca_certs": ca_file} if ca_file else {})}
    return urlunsplit(parts._replace(query=urlencode(asked | dict(parse_qsl(parts.query)), safe="/")))
