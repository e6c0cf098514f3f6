"""One Redis URL, as redis-py and as Celery take it: a server, or the master that Sentinels name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from phoenix_producer.client.redis_url import place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenix_producer.client.redis_url import RedisPlace

_TEXT = {"decode_responses": True, "encoding_errors": "surrogateescape"}
"""Whoever may write to Redis may write what is no UTF-8: it is read, and found again, like anything else."""
_OVERRULING = {
    "CELERY_BROKER_URL": "BROKER_URL",
    "CELERY_BROKER_READ_URL": "",
    "CELERY_BROKER_WRITE_URL": "",
    "CELERY_RESULT_BACKEND": "RESULT_BACKEND",
}
_CONFIGURING = {"CELERY_CONFIG_MODULE": "CONFIG_MODULE", "CELERY_LOADER": "LOADER"}
"""Each with the variable that the command `celery` copies into it."""
_SENTINEL_SECONDS = 1.5
"""Until a Sentinel that does not answer is left for the next."""


def redis_client(url: str, **options: Any) -> Redis:
    """Return a client that decodes answers; each new connection goes to whoever is the master then.

    `options` are redis-py's, of the connections to Redis itself. Nothing is connected yet.
    """
    place = place_of(url)
    if place.master is None:
        return Redis.from_url(url, **_TEXT, **options)
    sentinel = Sentinel(place.hosts, sentinel_kwargs=_of_sentinels(place), **_tls(place))  # type: ignore[no-untyped-call]
    login = {"username": place.username, "password": place.password, "db": place.database}
    client: Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
        place.master, **_TEXT, **login, **options
    )
    return client


def celery_urls(url: str) -> dict[str, Any]:
    """Return Celery's settings for Redis as broker and result backend: `broker_url`, its transport options and others.

    With Sentinels, Celery's URL names each with the login of Redis: it goes on to the next when one does not answer.
    """
    place = place_of(url)
    if place.master is None:
        return {"broker_url": url, "result_backend": url}
    login = f"{quote(place.username or '', safe='')}:{quote(place.password, safe='')}@" if place.password else ""
    urls = ";".join(f"sentinel://{login}{address}/{place.database}" for address in place.addresses())
    tls = {"broker_use_ssl": place.tls(), "redis_backend_use_ssl": place.tls()} if place.is_encrypted else {}
    by_sentinel = {"master_name": place.master, "sentinel_kwargs": _of_sentinels(place)}
    return {
        "broker_url": urls,
        "result_backend": urls,
        "broker_transport_options": by_sentinel,
        "result_backend_transport_options": by_sentinel,
        **tls,
    }


def with_settings(settings: dict[str, Any], url: str) -> dict[str, Any]:
    """Return Celery's settings with those for this Redis; its transport options are added to those that there are."""
    made = celery_urls(url)
    transport = settings.get("broker_transport_options", {}) | made.get("broker_transport_options", {})
    return {**settings, **made, "broker_transport_options": transport}


def overruled(environ: Mapping[str, str]) -> list[str]:
    """Say what of the environment Celery takes before the URL that an app sets, each with what to do."""
    return [
        f"{name} is set (or --broker, --result-backend): Celery would use that Redis instead of the one in "
        "PHOENIX_REDIS_URL. Unset it."
        for name in _set(_OVERRULING, environ)
    ]


def configured_elsewhere(environ: Mapping[str, str]) -> list[str]:
    """Say what of the environment has Celery read settings that are not ours, each with what to do."""
    return [
        f"{name} is set (or --config, --loader): Celery would read other settings there. Unset it."
        for name in _set(_CONFIGURING, environ)
    ]


def _set(names: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    return [source if environ.get(source) else name for name, source in names.items() if environ.get(name)]


def _tls(place: RedisPlace) -> dict[str, Any]:
    return {"ssl": True, **place.tls()} if place.is_encrypted else {}


def _of_sentinels(place: RedisPlace) -> dict[str, Any]:
    return {
        "socket_timeout": _SENTINEL_SECONDS,
        "socket_connect_timeout": _SENTINEL_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        "username": place.options.get("sentinel_username"),
        "password": place.options.get("sentinel_password"),
        **_tls(place),
    }
