"""Secrets from files, as Docker, Kubernetes and systemd hand them over: `NAME_FILE` in the place of `NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from phoenix_producer.client.redis_url import DEFAULT_REDIS_URL, REDIS_URL_VARIABLE, place_of, usable
from phoenix_producer.client.regular_files import read_regular
from phoenix_producer.contract import ContractError
from phoenix_producer.plain_text import plain_line

if TYPE_CHECKING:
    from collections.abc import Mapping

REDIS_PASSWORD_VARIABLE = "PHOENIX_REDIS_PASSWORD"  # noqa: S105 - a name
SENTINEL_PASSWORD_VARIABLE = "PHOENIX_SENTINEL_PASSWORD"  # noqa: S105 - a name
_MOST_BYTES = 1024 * 1024


def secret(environ: Mapping[str, str | None], name: str) -> str | None:
    """Read NAME, or the file that NAME_FILE names, without the line break at its end; None where neither is set.

    A variable that is empty, or has nothing but blanks, is not set. Raises ContractError when both are set, and for a
    file that cannot be read or has as little: whoever names one wants its secret used, and without it something would
    run unprotected. The content is in no message.
    """
    value, path = ((environ.get(one) or "") for one in (name, f"{name}_FILE"))
    if not path.strip():
        return value if value.strip() else None
    if value.strip():
        raise ContractError(f"{name} and {name}_FILE are both set: unset one of them.")
    try:
        content = read_regular(Path(path), _MOST_BYTES).decode("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, ValueError) as error:  # not UTF-8, or no name of a file
        why = getattr(error, "strerror", None) or "it is not text"
        raise ContractError(f"{name}_FILE: {plain_line(path)} cannot be read ({why}).") from None
    if not content.strip():
        raise ContractError(f"{name}_FILE: {plain_line(path)} is empty.")
    return content


def redis_url_of(environ: Mapping[str, str | None]) -> str:
    """Return the URL of Redis with its passwords, from wherever each of them comes. Raises ContractError."""
    url = usable(secret(environ, REDIS_URL_VARIABLE) or DEFAULT_REDIS_URL)
    return with_passwords(url, secret(environ, REDIS_PASSWORD_VARIABLE), secret(environ, SENTINEL_PASSWORD_VARIABLE))


def password_variable(environ: Mapping[str, str | None], password: str | None) -> str:
    """Name the variable that the password of Redis is from: its own, that of its file, or the one of the URL."""
    name = REDIS_PASSWORD_VARIABLE
    try:
        held = secret(environ, name)
    except ContractError:  # of another URL, then
        held = None
    if not password or held != password:
        return REDIS_URL_VARIABLE
    return f"{name}_FILE" if environ.get(f"{name}_FILE") else name


def with_passwords(url: str, password: str | None, of_sentinels: str | None = None) -> str:
    """Put passwords into a usable URL that has none, with whatever characters.

    Raises ContractError if it has one already, or names no Sentinels that could want one.
    """
    parts, place = urlsplit(url), place_of(url)
    if password and place.password is not None:
        raise ContractError(
            f"{REDIS_URL_VARIABLE} has a password, and {REDIS_PASSWORD_VARIABLE} is set too: unset one of them."
        )
    if of_sentinels and place.master is None:
        raise ContractError(f"{SENTINEL_PASSWORD_VARIABLE} is set, and {REDIS_URL_VARIABLE} names no Sentinels.")
    if of_sentinels and "sentinel_password" in place.options:
        raise ContractError(
            f"{REDIS_URL_VARIABLE} has a sentinel_password, and {SENTINEL_PASSWORD_VARIABLE} is set too: unset one."
        )
    if password:
        user, at, hosts = parts.netloc.rpartition("@")
        parts = parts._replace(netloc=f"{user if at else ''}:{quote(password, safe='')}@{hosts}")
    if of_sentinels:
        parts = parts._replace(query=urlencode(place.options | {"sentinel_password": of_sentinels}, safe="/"))
    return urlunsplit(parts)
